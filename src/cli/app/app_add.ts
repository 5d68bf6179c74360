/** `rkt app add`: makes an app of an image in a running pod; `rkt app start` starts it. */
import { printNote } from "../../linux/printable.ts";
import type { Mount, PodManifest } from "../../appc/pod_manifest.ts";
import type { RunRequest } from "../../start/request.ts";
import { Failure } from "../../failure.ts";
import { rktAnnotation, rktAnnotationValue } from "../../appc/rkt_annotation.ts";
import { exists } from "../../linux/exists.ts";
import { LOGS } from "../../../stage1/output/log_files.ts";
import { appStreams } from "../../../stage1/resolve/resolve_streams.ts";
import { isLogged } from "../../../stage1/output/streams.ts";
import {
  deleteAppFiles,
  lockManifest,
  openSandbox,
  replaceManifest,
} from "../../pod/life/sandbox_changes.ts";
import { makeEntries } from "../../pod/directory/pod_entries.ts";
import { statusPath } from "../../pod/directory/pod_details.ts";
import type { PodView } from "../../pod/directory/pod_directory.ts";
import { appEntries, copyPath, volumeEntries } from "../../pod/make/prepare_pod.ts";
import { rootAttributes } from "../../pod/make/root_attributes.ts";
import { privateUsersOf } from "../../pod/make/private_users.ts";
import { toHostId } from "../../../stage1/root/private_users.ts";
import { resolvePod } from "../../pod/make/resolve_pod.ts";
import { completeManifest, rootKindOf } from "../../pod/make/resolved_pod.ts";
import { renderCopy } from "../../store/render_tree.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { checkWishes } from "../../start/wishes/check_wishes.ts";
import { checkSystemCalls, type Rendered } from "../../start/pod_parts.ts";
import { parseMountVolume, withVolumes } from "./sandbox_words.ts";
import { hostOptions } from "../request/host_options.ts";
import { podAndRest } from "../request/pod_arguments.ts";
import { addedAppRequest, pullPolicy } from "../request/run_arguments.ts";
import { findImages } from "../../start/find_images.ts";
import { flagUsers } from "../../start/docker/flag_users.ts";
import { fillVolumes, imageVolumes } from "../../start/docker/image_volumes.ts";
import { podManifest } from "../../start/run_manifest.ts";
import { unsupportedIsolators } from "../../start/warn_unsupported_isolators.ts";

/** The words are `UUID IMAGE [app flags] [-- ARGUMENTS]`. The grammar takes the UUID for an image. */
export default async function add(invocation: Invocation): Promise<number> {
  const { apps, flags, global, command } = invocation;
  const fromFile = flags.text("uuid-file") !== undefined;
  const [first, ...rest] = apps;
  const [app, ...others] = fromFile ? apps : rest;
  if (first === undefined || app === undefined || others.length > 0) {
    throw new Failure(
      `a pod and one image are needed; usage: rkt ${command.name} ${command.usage}`,
    );
  }
  const view = openSandbox(global.dir, fromFile ? podAndRest(invocation).uuid : first.image);
  const host = hostOptions(global);
  const store = new Store(global.dir);
  using _images = store.prepareLock();
  const policy = pullPolicy(flags);
  const { signature } = only(addedAppRequest(app, policy, []).apps);
  const wanted = [{ image: app.image, signature }];
  const image = only(await findImages(store, wanted, host, { pullPolicy: policy }));
  const rendered = { image, tree: await store.tree(image) };

  using _manifest = lockManifest(view);
  const before = completeManifest(view);
  const own = app.flags.all("mnt-volume").map(parseMountVolume);
  const request = withMounts(
    addedAppRequest(app, policy, withVolumes(before.volumes, own)),
    own.map(({ mount }) => mount),
  );
  await checkSystemCalls(request.apps);
  await checkWishes(request.apps, [image], { store, host });
  const trees = { tree: () => rendered.tree.rootfs };
  const asked = flagUsers(
    withStreams(podManifest(request, [image], { inherited: [], fromFiles: [] })),
    request.apps,
    trees,
  );
  const { manifest: added, fills } = imageVolumes(asked, request.pod.volumes, trees);
  const { name } = only(added.apps);
  if (before.apps.some((each) => each.name === name)) {
    throw new Failure(
      `there is already an app "${name}" in pod "${view.uuid}"; give this one another --name`,
    );
  }
  const resolved = await resolvePod(added, {
    dataDir: global.dir,
    kind: rootKindOf(view),
    tree: () => rendered.tree.rootfs,
  }, host.confinement);
  for (const warning of unsupportedIsolators(added, resolved, "add")) printNote(warning);
  await makeApp(store, view, added, before, rendered);
  fillVolumes(view.path, fills, privateUsersOf(view));
  replaceManifest(view, {
    ...before,
    apps: [...before.apps, ...added.apps],
    volumes: added.volumes,
  });
  store.markUsed(image);
  return 0;
}

/** The request with mounts that the app has besides. */
function withMounts({ pod, apps }: RunRequest, mounts: readonly Mount[]): RunRequest {
  return { pod, apps: apps.map((app) => ({ ...app, mounts: [...app.mounts, ...mounts] })) };
}

/** The one element of a list. */
function only<T>([first, ...others]: readonly T[]): T {
  if (first === undefined || others.length > 0) throw new TypeError("one app is added at a time");
  return first;
}

/** The default streams of an app whose start no terminal waits for. */
const STREAMS = { stdin: "null", stdout: "log", stderr: "log" } as const;

/** Adds the annotations of an added app's streams. */
function withStreams(added: PodManifest): PodManifest {
  const apps = added.apps.map((app) => {
    const streams = (["stdin", "stdout", "stderr"] as const).flatMap((stream) => {
      const isAsked = rktAnnotationValue(app.annotations, stream) !== undefined;
      return isAsked ? [] : rktAnnotation(stream, STREAMS[stream]);
    });
    return { ...app, annotations: [...app.annotations, ...streams] };
  });
  return { ...added, apps };
}

/** Makes the app's files. They do not count until the manifest names the app. */
async function makeApp(
  store: Store,
  pod: PodView,
  added: PodManifest,
  before: PodManifest,
  { image, tree }: Rendered,
): Promise<void> {
  const { name } = only(added.apps);
  const kind = rootKindOf(pod);
  const users = privateUsersOf(pod);
  const volumes = added.volumes.filter((volume) => !before.volumes.includes(volume));
  deleteAppFiles(pod, name, volumes.map((volume) => volume.name));
  const logged = added.apps.some((app) => isLogged(appStreams(app)));
  if (logged) makeDirectory(`${pod.path}/${LOGS}`, 0o750);
  if (volumes.length > 0) makeDirectory(`${pod.path}/sharedVolumes`, 0o755);
  makeEntries(pod, [
    ...appEntries(
      name,
      {
        manifestText: image.manifestText,
        treeId: tree.id,
        root: rootAttributes(tree.rootfs),
      },
      kind,
      users,
    ),
    ...volumes.flatMap((volume) => volumeEntries(volume, users)),
  ]);
  if (kind === "copy") {
    await renderCopy(
      store,
      image,
      `${pod.path}/${copyPath(name)}`,
      (id, kind) => toHostId(id, users, kind),
    );
  }
  Deno.writeTextFileSync(`${statusPath(pod)}/${name}-created`, "", { mode: 0o644 });
}

function makeDirectory(path: string, mode: number): void {
  if (!exists(path)) Deno.mkdirSync(path, { mode });
}
