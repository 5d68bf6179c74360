/** Access to an app's files from outside, before, while and after it runs. */
import { privateUsersOf } from "../make/private_users.ts";
import { toHostId } from "../../../stage1/root/private_users.ts";
import { toPodId } from "../make/user_ranges.ts";
import type { IdKind } from "../../../stage1/root/pod_users.ts";
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { deleteTree } from "../../linux/delete_tree.ts";
import { closeDescriptor, openDirectoryIfThere, tryLockShared } from "../../linux/lock.ts";
import type { Process } from "../../linux/process.ts";
import { readyTree } from "../../store/tree/mount_tree.ts";
import { inHelperChild } from "../../../stage1/steps/in_helper_child.ts";
import * as k from "../../linux/constants.ts";
import { type Section, type Slot, slot } from "../../../stage1/engine/plan.ts";
import { type MountOption, newMount } from "../../../stage1/steps/mounts.ts";
import { findApp, pinInit, pinSupervisor } from "./app_process.ts";
import { ownRoot } from "./fly_root.ts";
import { openHeldRoot } from "./init_mounts.ts";
import { isExternal } from "../external/external_pod.ts";
import { appRoot } from "../../../stage1/external/app_root.ts";
import type { PodView } from "../directory/pod_directory.ts";
import { copyPath, overlayPath } from "../make/prepare_pod.ts";
import { isSandbox } from "../directory/sandbox.ts";
import { appOf, claimApp } from "../life/sandbox_changes.ts";
import { completeManifest, rootKindOf, treeIdOfApp } from "../make/resolved_pod.ts";

/** The root of an app, open. */
export interface AppFiles extends Disposable {
  /** A descriptor of the root directory. */
  readonly root: number;
  /** The owner on the host of a file that is `id`'s in the app. */
  toHost(id: number, kind: IdKind): number;
  /** The reverse. An ID of the host that the app can't see keeps its number. */
  toApp(id: number, kind: IdKind): number;
}

/** Whether something is to be written. */
type Access = "read" | "write";

/** States in which an app's files lie in the pod's directory. */
const AT_REST: readonly PodView["state"][] = ["prepared", "exited", "exited garbage"];

/**
 * Opens the files of an app. Those of a pod that does not run can't be removed, nor the pod be started, before they are
 * closed.
 *
 * @throws {Failure}
 */
export async function openAppFiles(
  dataDir: string,
  pod: PodView,
  app: string,
  access: Access,
): Promise<AppFiles> {
  const running = pod.state === "running";
  if (!running && !AT_REST.includes(pod.state)) {
    throw new Failure(`pod "${pod.uuid}" is ${pod.state}: it has no files to look into`);
  }
  const users = privateUsersOf(pod);
  if (pod.state === "prepared" && access === "write" && users !== undefined) {
    // What a copy changes of the image's directories would keep the image's owners, whom the pod does not have.
    throw new Failure(`pod "${pod.uuid}" has users of its own: copy into it when it runs`);
  }
  using held = new DisposableStack();
  if (!running) holdPod(pod, held);
  const open = running ? openRunning : openAtRest;
  const root = await open(dataDir, pod, app, access, held);
  held.defer(() => closeDescriptor(root));
  const all = held.move();
  return {
    root,
    [Symbol.dispose]: () => all.dispose(),
    toHost: (id, kind) => toHostId(id, users, kind),
    toApp: (id, kind) => users === undefined ? id : toPodId(id, users, kind),
  };
}

/** Opens the root of an app of a running pod. `held` gets the resources that must live as long as it is open. */
async function openRunning(
  dataDir: string,
  pod: PodView,
  app: string,
  access: Access,
  held: DisposableStack,
): Promise<number> {
  if (isExternal(pod)) return openForStage1(pod, app);
  const own = ownRoot(pod, app);
  const found = findApp(dataDir, pod, app);
  if (typeof found === "object") {
    using process = found;
    return rootOf(process.main, own ?? "/");
  }
  const manifest = completeManifest(pod);
  if (isSandbox(manifest)) {
    const claimed = claimApp(pod, appOf(manifest, pod, app).name);
    if (claimed === undefined) throw new Failure(`app "${app}" is just being started; try again`);
    held.use(claimed);
    return await openAtRest(dataDir, pod, app, access, held);
  }
  // The app has ended, and others run: init has put its root there, in its own mounts or in others that it holds.
  using init = pinInit(dataDir, pod);
  if (init === undefined) throw new Failure(`pod "${pod.uuid}" is not running any more; try again`);
  return own === undefined ? openHeldRoot(init, `/${app}`) : rootOf(init, own);
}

/** Opens the root that an external stage1 image was given for an app. What the image mounts in it for the app alone is not seen. */
function openForStage1(pod: PodView, app: string): number {
  using first = pinSupervisor(pod);
  if (first === undefined) {
    throw new Failure(`pod "${pod.uuid}" is not running any more; try again`);
  }
  return rootOf(first, `${Deno.realPathSync(pod.path)}/${appRoot(app)}`);
}

/** Opens a directory of a process's mount namespace, wherever the process has made its own root since. */
function rootOf(process: Process, path: string): number {
  return inHelperChild("look into the app", openInNamespace(process.fd, path));
}

/** Steps that open a directory of another process's mount namespace. */
export const openInNamespace = (pidfd: number, path: string) => (steps: Section): Slot => {
  const root = slot("root");
  steps.must("join the mount namespace of the app", "setns", [pidfd, k.CLONE_NEWNS], {
    hint: "the app has ended",
  });
  openDirectory(steps, path, root);
  return root;
};

/** Steps that mount the layers of an app's root for rkt alone. */
export const mountLayers =
  (path: string, what: string, options: readonly MountOption[], attributes: number) =>
  (steps: Section): Slot => {
    const mount = slot("mount");
    steps.must("enter the pod's directory", "chdir", [path]);
    newMount(steps, what, "overlay", options, attributes, mount);
    return mount;
  };

function openDirectory(steps: Section, path: string, root: ReturnType<typeof slot>): void {
  steps.must(`open ${path}`, "openat", [
    k.AT_FDCWD,
    path,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC | k.O_NOFOLLOW,
    0,
  ], { store: root });
}

/** Keeps a pod that does not run from being started or removed. */
function holdPod(pod: PodView, held: DisposableStack): void {
  const lock = openDirectoryIfThere(pod.path);
  if (lock !== undefined) {
    held.defer(() => closeDescriptor(lock));
    if (tryLockShared(lock, pod.path) && exists(pod.path)) return;
  }
  throw new Failure(`pod "${pod.uuid}" has just been started or removed; try again`);
}

/** The path of a tree's root for an option of a mount, which takes 255 bytes: from the pod's directory, where it can be. */
function layerBelow(dataDir: string, path: string): string {
  return path.startsWith(`${dataDir}/`) ? `../../..${path.slice(dataDir.length)}` : path;
}

/** Opens the root of an app that does not run. */
async function openAtRest(
  dataDir: string,
  pod: PodView,
  app: string,
  access: Access,
  held: DisposableStack,
): Promise<number> {
  const { path } = pod;
  if (rootKindOf(pod) === "copy") {
    return inHelperChild("look into the app", (steps) => {
      const root = slot("root");
      openDirectory(steps, `${path}/${copyPath(app)}`, root);
      return root;
    });
  }
  const tree = layerBelow(dataDir, await readyTree(dataDir, treeIdOfApp(pod, app)));
  const upper = `${overlayPath(app)}/upper`;
  // Not the directory that the app has: overlayfs may have marked that as used.
  const work = `${overlayPath(app)}/scratch-${crypto.randomUUID()}`;
  if (access === "write") {
    Deno.mkdirSync(`${path}/${work}`, { mode: 0o700 });
    held.defer(() => deleteTree(`${path}/${work}`, "leave"));
  }
  const options: readonly MountOption[] = access === "read"
    ? [["lowerdir", `${upper}:${tree}`]]
    : [["lowerdir", tree], ["upperdir", upper], ["workdir", work], ["volatile"]];
  const inert = k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC;
  const attributes = access === "read" ? inert | k.MOUNT_ATTR_RDONLY : inert;
  const what = `mount the root of app "${app}"`;
  return inHelperChild("look into the app", mountLayers(path, what, options, attributes));
}
