/**
 * An app's root: the overlay over its tree, /proc, /sys and /dev, the volumes. All of it by the mount calls that take
 * file descriptors: the image chooses what stands below its root, so no path of it is ever followed out of it.
 */
import type { OpenRoot } from "./open_root.ts";
import { isReplaced, MOUNT_FLAGS } from "./mount_policy.ts";
import { makeDev, mountDev } from "./dev.ts";
import { type HostFiles, makeHostnamePlace, mountEtcFiles, mountHostname } from "./etc_files.ts";
import { mountProc, mountSys } from "./kernel_files.ts";
import {
  attach,
  attributes,
  DIRECTORY,
  MOUNT_ATTR_SIZE,
  OPEN_HOW_SIZE,
  READ_ONLY,
} from "../steps/mounts.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import { mountOverlay } from "./overlay.ts";
import type { Pod, PodApp } from "../pod.ts";
import type { Terminals } from "../output/streams.ts";
import { attachVolume, openVolume } from "./volumes.ts";

/**
 * What of an app's root comes from the host: opened while the host's root is still there.
 *
 * @param made the context of an overlay that the supervisor makes
 */
export function openRoot(steps: Section, pod: Pod, app: PodApp, made?: Slot): OpenRoot {
  const root = slot(`root of ${app.name}`);
  if (app.root.kind === "overlay") {
    mountOverlay(steps, pod, app, app.root, root, made);
  } else {
    const what = `mount the root of app "${app.name}"`;
    steps.must(what, "open_tree", [
      k.AT_FDCWD,
      app.root.path,
      k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
    ], { store: root });
    steps.must(what, "mount_setattr", [
      root,
      "",
      k.AT_EMPTY_PATH,
      attributes(MOUNT_FLAGS.root),
      MOUNT_ATTR_SIZE,
    ]);
  }
  const volumes = app.mounts.map((mount) => ({ mount, volume: openVolume(steps, app, mount) }));
  const { privateUsers } = pod;
  if (privateUsers === undefined && pod.rootless !== true) return { root, volumes };
  const at = `in app "${app.name}"`;
  const dev = privateUsers === undefined || isReplaced(app, "/dev")
    ? {}
    : { dev: makeDev(steps, at, pod) };
  if (pod.network.kind !== "host" || isReplaced(app, "/sys")) return { root, volumes, ...dev };
  // The host's network is not the pod's to show, so there can be no sysfs of its own.
  const sys = slot("sys");
  const what = `mount the host's /sys ${at}`;
  const whole = k.AT_EMPTY_PATH | k.AT_RECURSIVE;
  steps.must(what, "open_tree", [
    k.AT_FDCWD,
    "/sys",
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | k.AT_RECURSIVE,
  ], { store: sys });
  steps.must(what, "mount_setattr", [sys, "", whole, READ_ONLY, MOUNT_ATTR_SIZE]);
  return { root, volumes, ...dev, sys };
}

/** Makes the places of the apps' roots in init's root; then it is made read-only, and they are attached. */
export function makePlaces(steps: Section, apps: readonly PodApp[]): void {
  for (const { name } of apps) {
    steps.must(`make a place for app "${name}"`, "mkdirat", [k.AT_FDCWD, `/${name}`, 0o755]);
  }
}

/** Puts an app's root together at `/APP` in init's root. */
export function attachRoot(
  steps: Section,
  pod: Pod,
  app: PodApp,
  open: OpenRoot,
  terminals: Terminals,
  etc: HostFiles,
): void {
  const at = `in app "${app.name}"`;
  steps.heading(`init: the root of app "${app.name}"`);
  const place = slot("place");
  steps.must(`open the place of app "${app.name}"`, "openat", [
    k.AT_FDCWD,
    `/${app.name}`,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: place });
  attach(steps, `attach the root of app "${app.name}"`, open.root, place);
  steps.attempt("close the place", "close", [place]);
  mountProc(steps, pod, at, open);
  if (!isReplaced(app, "/sys")) mountSys(steps, pod, app, open);
  if (!isReplaced(app, "/dev")) mountDev(steps, at, pod, app, open, terminals);
  if (app.isOci === true) makeHostnamePlace(steps, at, open.root);
  mountHostname(steps, at, open.root);
  for (const { mount, volume } of open.volumes) attachVolume(steps, at, mount, volume, open.root);
  // After the volumes: these go before them.
  mountEtcFiles(steps, pod, app, open.root, etc);
  if (app.makesDirectory === true) makeWorkingDirectory(steps, at, app, open.root);
  // Then: the targets may have to be made.
  if (app.readOnlyRoot) {
    steps.must(`make the root of app "${app.name}" read-only`, "mount_setattr", [
      open.root,
      "",
      k.AT_EMPTY_PATH,
      READ_ONLY,
      MOUNT_ATTR_SIZE,
    ]);
  }
  steps.attempt("close the root", "close", [open.root]);
  steps.must("leave the app's files", "chdir", ["/"]);
}

/** Makes an app's working directory, as docker does where an image has none; it may be in a volume. */
function makeWorkingDirectory(steps: Section, at: string, app: PodApp, root: Slot): void {
  const names = app.workingDirectory.split("/").filter((name) => name !== "" && name !== ".");
  let parent = root;
  names.forEach((name, i) => {
    const path = names.slice(0, i + 1).join("/");
    const next = slot("directory");
    steps.attempt(`make /${path} ${at}`, "mkdirat", [parent, name, 0o755]);
    steps.must(`open /${path} ${at}`, "openat2", [root, path, DIRECTORY, OPEN_HOW_SIZE], {
      store: next,
      hint: "the working directory can't be made; choose another with --working-dir",
    });
    if (parent !== root) steps.attempt("close the parent", "close", [parent]);
    parent = next;
  });
  if (parent !== root) steps.attempt("close the directory", "close", [parent]);
}
