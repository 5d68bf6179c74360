/**
 * The root of an app of the flavor `fly`: the image's files, with the /dev, /proc and /sys of the host in them. It stands
 * in the pod's directory, in a mount namespace of the pod's own: what the host mounts is seen in the pod, what the pod
 * mounts is seen by nobody else, and is gone with the pod's last process, however that ends.
 */
import { type EtcPlace, type HostFiles, mountEtcFiles } from "../root/etc_files.ts";
import { isReplaced } from "../root/mount_policy.ts";
import type { OpenRoot } from "../root/open_root.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import type { Terminals } from "../output/streams.ts";
import { mountTerminals } from "../root/dev.ts";
import type { Pod, PodApp } from "../pod.ts";
import { attach, MOUNT_ATTR_SIZE, ownDirectory, READ_ONLY } from "../steps/mounts.ts";
import { attachVolume } from "../root/volumes.ts";

/** Where the root of an app stands, relative to the pod's directory, which is init's working directory. */
export const flyRoot = (app: string): string => `stage1/rootfs/opt/stage2/${app}/rootfs`;

/** The pod's files of /etc. A run of a prepared pod that was killed may have left some. */
export const ETC_PLACE: EtcPlace = {
  directory: "stage1/rootfs/",
  existing: k.O_TRUNC | k.O_NOFOLLOW,
  readOnly: false,
};

/** Puts an app's root together. */
export function attachFlyRoot(
  steps: Section,
  pod: Pod,
  app: PodApp,
  open: OpenRoot,
  terminals: Terminals,
  etc: HostFiles,
): void {
  const at = `in app "${app.name}"`;
  const place = slot("place");
  const path = flyRoot(app.name);
  steps.heading(`init: the root of app "${app.name}"`);
  const names = path.split("/");
  for (const [i] of names.entries()) {
    if (i < 2) continue;
    steps.attempt(`make a place for app "${app.name}"`, "mkdirat", [
      k.AT_FDCWD,
      names.slice(0, i + 1).join("/"),
      0o755,
    ]);
  }
  steps.must(`open the place of app "${app.name}"`, "openat", [
    k.AT_FDCWD,
    path,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: place });
  attach(steps, `attach the root of app "${app.name}"`, open.root, place);
  steps.attempt("close the place", "close", [place]);
  steps.attempt("close the host's /proc", "close", [hostFiles(steps, at, open.root, "proc")]);
  if (!isReplaced(app, "/sys")) {
    steps.attempt("close the host's /sys", "close", [hostFiles(steps, at, open.root, "sys")]);
  }
  if (!isReplaced(app, "/dev")) {
    const dev = hostFiles(steps, at, open.root, "dev");
    // Over those of the host: rkt relays the first one, which must have a known number.
    if (hasTerminal(pod, app)) mountTerminals(steps, at, dev, pod, app, terminals);
    steps.attempt("close the host's /dev", "close", [dev]);
  }
  for (const { mount, volume } of open.volumes) attachVolume(steps, at, mount, volume, open.root);
  mountEtcFiles(steps, pod, app, open.root, etc, ETC_PLACE);
  if (app.readOnlyRoot) {
    const what = `make the root of app "${app.name}" read-only`;
    steps.must(what, "mount_setattr", [open.root, "", k.AT_EMPTY_PATH, READ_ONLY, MOUNT_ATTR_SIZE]);
  }
  steps.attempt("close the root", "close", [open.root]);
}

/** Shows a directory of the host, with all that is mounted below it. */
function hostFiles(steps: Section, at: string, root: Slot, name: string): Slot {
  const files = slot(`the host's /${name}`);
  const what = `show the host's /${name} ${at}`;
  steps.must(what, "open_tree", [
    k.AT_FDCWD,
    `/${name}`,
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | k.AT_RECURSIVE,
  ], { store: files });
  const target = ownDirectory(steps, at, root, name);
  attach(steps, what, files, target);
  steps.attempt("close the target", "close", [target]);
  return files;
}

const hasTerminal = ({ interactive }: Pod, { streams }: PodApp): boolean =>
  interactive || Object.values(streams).includes("tty");
