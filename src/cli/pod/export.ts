import { parseImageManifest } from "../../appc/image_manifest.ts";
import { buildAci } from "../../aci/build.ts";
import { Failure } from "../../failure.ts";
import { openAppFiles } from "../../pod/app/app_files.ts";
import { chosenApp } from "../../pod/app/pod_app.ts";
import { openPod, type PodView, readPodFile } from "../../pod/directory/pod_directory.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";

/** `rkt export`: what an app of an ended pod has left, as an image. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const [uuid = "", out = ""] = args;
  if (Deno.uid() !== 0) throw new Failure("export needs root; try it with sudo");
  const pod = openPod(global.dir, uuid);
  if (pod.state !== "exited" && pod.state !== "exited garbage") {
    throw new Failure(`pod "${pod.uuid}" is ${pod.state}: only an exited one can be exported`);
  }
  const app = chosenApp(pod, flags.text("app"));
  using files = await openAppFiles(global.dir, pod, app, "read");
  const imageId = await buildAci({
    rootfs: { fd: files.root, name: `app "${app}"` },
    manifest: exportedManifest(pod, app),
    out,
    overwrite: flags.on("overwrite"),
    mapId: files.toApp,
  });
  printLine(imageId);
  return 0;
}

/** The manifest of the app's image. All that the image depended on is in the root now, and what it left out is not. */
function exportedManifest(pod: PodView, app: string): string {
  const text = readPodFile(pod, `appsinfo/${app}/manifest`);
  if (text === undefined) {
    throw new Failure(`pod "${pod.uuid}" has lost the manifest of its app "${app}"`);
  }
  const manifest: Record<string, unknown> = JSON.parse(text);
  delete manifest.dependencies;
  delete manifest.pathWhitelist;
  const exported = JSON.stringify(manifest);
  parseImageManifest(exported);
  return exported;
}
