/** The files of an app from outside: what it sees while it runs, what it has left, what it will have. */
import { Failure } from "../failure.ts";
import { deleteTree } from "../linux/delete_tree.ts";
import { closeDescriptor, tryLockShared, tryOpenDirectory } from "../linux/lock.ts";
import type { Process } from "../linux/process.ts";
import { treePath } from "../store/layout.ts";
import { borrow } from "../../stage1/borrow.ts";
import * as k from "../../stage1/plan/constants.ts";
import { type Section, slot } from "../../stage1/plan/plan.ts";
import { newMount } from "../../stage1/root.ts";
import { findApp, pinInit } from "./app_process.ts";
import { type PodView, readPodFile } from "./pod_directory.ts";
import { copyPath, overlayPath } from "./prepare_pod.ts";
import { rootKindOf, treeIdOfApp } from "./resolved_pod.ts";

/** The root of an app, open. */
export interface AppFiles extends Disposable {
  /** A descriptor of the root directory. */
  readonly root: number;
  /** The owner on the host of a file that is `id`'s in the app. */
  toHost(id: number): number;
  /** The reverse; who is nobody in the app keeps its number. */
  toApp(id: number): number;
}

/** States in which an app's files lie in the pod's directory. */
const AT_REST: readonly PodView["state"][] = ["prepared", "exited", "exited garbage"];

/**
 * Opens the files of an app. Those of a pod that does not run can't be removed, nor the pod be started, before they are
 * closed.
 *
 * @param access whether something is to be written there
 * @throws {Failure}
 */
export function openAppFiles(
  dataDir: string,
  pod: PodView,
  app: string,
  access: "read" | "write",
): AppFiles {
  const running = pod.state === "running";
  if (!running && !AT_REST.includes(pod.state)) {
    throw new Failure(`pod "${pod.uuid}" is ${pod.state}: it has no files to look into`);
  }
  const { shift, count } = privateUsers(pod);
  if (pod.state === "prepared" && access === "write" && count > 0) {
    // What a copy changes of the image's directories would keep the image's owners, whom the pod does not have.
    throw new Failure(`pod "${pod.uuid}" has users of its own: copy into it when it runs`);
  }
  const open = running ? openRunning(dataDir, pod, app) : openAtRest(dataDir, pod, app, access);
  return {
    ...open,
    toHost: (id) => id < count ? id + shift : id,
    toApp: (id) => id >= shift && id < shift + count ? id - shift : id,
  };
}

/** The users of a pod that has its own, from its file `private-users-prepared`: `shift:count`. */
function privateUsers(pod: PodView): { readonly shift: number; readonly count: number } {
  const text = readPodFile(pod, "private-users-prepared")?.trim() ?? "0:0";
  const [, shift = 0, count = 0] = (/^(\d+):(\d+)$/.exec(text) ?? []).map(Number);
  return { shift, count };
}

function openRunning(
  dataDir: string,
  pod: PodView,
  app: string,
): Pick<AppFiles, "root"> & Disposable {
  const found = findApp(dataDir, pod, app);
  if (typeof found === "object") {
    using process = found;
    return closing(rootOf(process.main, "/"));
  }
  // The app has ended, and others run: init has put its root there.
  using init = pinInit(dataDir, pod);
  if (init === undefined) throw new Failure(`pod "${pod.uuid}" is not running any more; try again`);
  return closing(rootOf(init, `/${app}`));
}

/** Opens a directory of a process's mount namespace, wherever the process has made its own root since. */
function rootOf(process: Process, path: string): number {
  return borrow("look into the app", (steps) => {
    const root = slot("root");
    steps.must("join the mount namespace of the app", "setns", [process.fd, k.CLONE_NEWNS], {
      hint: "the app has ended",
    });
    openDirectory(steps, path, root);
    return root;
  });
}

function openDirectory(steps: Section, path: string, root: ReturnType<typeof slot>): void {
  steps.must(`open ${path}`, "openat", [
    k.AT_FDCWD,
    path,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC | k.O_NOFOLLOW,
    0,
  ], { store: root });
}

const closing = (root: number): Pick<AppFiles, "root"> & Disposable => ({
  root,
  [Symbol.dispose]: () => closeDescriptor(root),
});

function openAtRest(
  dataDir: string,
  pod: PodView,
  app: string,
  access: "read" | "write",
): Pick<AppFiles, "root"> & Disposable {
  const lock = tryOpenDirectory(pod.path);
  if (lock < 0 || !tryLockShared(lock, pod.path)) {
    throw new Failure(`pod "${pod.uuid}" has just been started or removed; try again`);
  }
  if (rootKindOf(pod) === "copy") {
    const root = borrow("look into the app", (steps) => {
      const root = slot("root");
      openDirectory(steps, `${pod.path}/${copyPath(app)}`, root);
      return root;
    });
    return both(closing(root), lock);
  }
  const tree = `../../../cas/tree/${treeIdOfApp(pod, app)}/rootfs`;
  // Fails where the tree is gone, and says so.
  Deno.statSync(`${treePath(dataDir, treeIdOfApp(pod, app))}/rootfs`);
  const layers = overlayPath(app);
  const scratch = `${layers}/scratch-${Deno.pid}`;
  const { path } = pod;
  if (access === "write") Deno.mkdirSync(`${path}/${scratch}`);
  const options: readonly (readonly [string, string?])[] = access === "read"
    ? [["lowerdir", `${layers}/upper:${tree}`]]
    : [["lowerdir", tree], ["upperdir", `${layers}/upper`], ["workdir", scratch], ["volatile"]];
  const root = borrow("look into the app", (steps) => {
    const mount = slot("mount");
    const inert = k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC;
    steps.must("enter the pod's directory", "chdir", [path]);
    const attributes = access === "read" ? inert | k.MOUNT_ATTR_RDONLY : inert;
    newMount(steps, `mount the root of app "${app}"`, "overlay", options, attributes, mount);
    return mount;
  });
  const open = both(closing(root), lock);
  if (access === "read") return open;
  return {
    root,
    [Symbol.dispose]() {
      open[Symbol.dispose]();
      deleteTree(`${path}/${scratch}`, "leave");
    },
  };
}

function both(files: Pick<AppFiles, "root"> & Disposable, lock: number) {
  return {
    root: files.root,
    [Symbol.dispose]() {
      files[Symbol.dispose]();
      closeDescriptor(lock);
    },
  };
}
