/** `rkt app rm`: removes an app that does not run from a running pod. */
import { parseAcName } from "../../appc/name.ts";
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { removeAppCgroups } from "../../pod/cgroups/pod_cgroups.ts";
import { Failure } from "../../failure.ts";
import {
  appOf,
  claimApp,
  deleteAppFiles,
  lockManifest,
  openSandbox,
  replaceManifest,
} from "../../pod/life/sandbox_changes.ts";
import { completeManifest } from "../../pod/make/resolved_pod.ts";
import { appArgument } from "../request/app_argument.ts";
import { stopLeftover } from "../../pod/app/stop_app.ts";
import type { Invocation } from "../grammar/command.ts";

/** Removes the app from the manifest first, then its files: files that a crash leaves do no harm. */
export default async function remove(invocation: Invocation): Promise<number> {
  const { global } = invocation;
  const { uuid, app: name } = appArgument(invocation);
  const pod = openSandbox(global.dir, uuid);
  using _manifest = lockManifest(pod);
  const before = completeManifest(pod);
  const app = parseAcName(name);
  appOf(before, pod, app);
  using claimed = claimApp(pod, app);
  if (claimed === undefined) {
    throw new Failure(`app "${app}" runs, or is being started; \`rkt app stop\` ends it`);
  }
  await stopLeftover(global.dir, pod, app);
  const after = without(before, app);
  replaceManifest(pod, after);
  const gone = before.volumes.filter((volume) => !after.volumes.includes(volume));
  removeAppCgroups(pod, app);
  deleteAppFiles(pod, app, gone.map(({ name }) => name));
  return 0;
}

/** The manifest without an app, and without the volumes that were made for its mount points. */
function without(manifest: PodManifest, name: string): PodManifest {
  const apps = manifest.apps.filter((each) => each.name !== name);
  const points = manifest.apps.filter((each) => each.name === name)
    .flatMap(({ app }) => app?.mountPoints ?? []).map((point) => `${name}-${point.name}`);
  const used = new Set(apps.flatMap(({ mounts }) => mounts.map(({ volume }) => volume)));
  const volumes = manifest.volumes.filter((volume) =>
    volume.kind !== "empty" || used.has(volume.name) || !points.includes(volume.name)
  );
  return { ...manifest, apps, volumes };
}
