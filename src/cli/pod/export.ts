import { parseImageManifest } from "../../appc/image_manifest.ts";
import { buildAci } from "../../aci/build.ts";
import { Failure } from "../../failure.ts";
import { openAppFiles } from "../../pod/app/app_files.ts";
import { chosenApp } from "../../pod/app/pod_app.ts";
import { openPod, type PodView, readPodFile } from "../../pod/directory/pod_directory.ts";
import type { Invocation } from "../grammar/command.ts";
import type { Flags } from "../grammar/flags.ts";
import { splitPair } from "../grammar/key_values.ts";
import { podAndRest } from "../request/pod_arguments.ts";
import { printLine } from "../print/output.ts";

/** `rkt export`: makes an image of the root of an app whose pod has ended. */
export default async function run(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const { uuid, rest: [out = ""] } = podAndRest(invocation);
  const pod = openPod(global.dir, uuid);
  if (pod.state !== "exited" && pod.state !== "exited garbage") {
    throw new Failure(`pod "${pod.uuid}" is ${pod.state}: only an exited one can be exported`);
  }
  const app = chosenApp(pod, flags.text("app"));
  using files = await openAppFiles(global.dir, pod, app, "read");
  const imageId = await buildAci({
    rootfs: { fd: files.root, name: `app "${app}"` },
    manifest: exportedManifest(pod, app, flags),
    out,
    overwrite: flags.on("overwrite"),
    mapId: files.toApp,
  });
  printLine(imageId);
  return 0;
}

/** The manifest of the app's image without dependencies and path whitelist: the root already has their effect. */
function exportedManifest(pod: PodView, app: string, flags: Flags): string {
  const text = readPodFile(pod, `appsinfo/${app}/manifest`);
  if (text === undefined) {
    throw new Failure(`pod "${pod.uuid}" has lost the manifest of its app "${app}"`);
  }
  const manifest: Record<string, unknown> = JSON.parse(text);
  delete manifest.dependencies;
  delete manifest.pathWhitelist;
  const name = flags.text("name");
  if (name !== undefined) manifest.name = name;
  const labels = flags.all("label").map((each) => splitPair("--label", each));
  if (labels.length > 0) {
    const others = Array.isArray(manifest.labels) ? manifest.labels : [];
    manifest.labels = [
      ...others.filter((other) => !labels.some(([label]) => label === other?.name)),
      ...labels.map(([name, value]) => ({ name, value })),
    ];
  }
  const exported = JSON.stringify(manifest);
  parseImageManifest(exported);
  return exported;
}
