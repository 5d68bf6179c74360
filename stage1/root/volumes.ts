/** Volumes: opened on the host, and mounted in apps' roots, where the image chooses what their targets lead to. */
import { attach, attributes, inRoot, MOUNT_ATTR_SIZE, OPEN_HOW_SIZE } from "../steps/mounts.ts";
import { isBelow } from "./mount_policy.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import { openTarget } from "../steps/open_target.ts";
import type { AppMount, PodApp } from "../pod.ts";

export function openVolume(steps: Section, app: PodApp, mount: AppMount): Slot {
  const volume = slot(`volume ${mount.volume} for ${app.name}`);
  const recursive = mount.recursive ? k.AT_RECURSIVE : 0;
  steps.must(`open volume "${mount.volume}" at ${mount.source}`, "open_tree", [
    k.AT_FDCWD,
    mount.source,
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | recursive,
  ], { store: volume });
  // An app with CAP_MKNOD could make itself a device of the host in a directory; a device that is given is meant, and so
  // are those of a whole /dev.
  const closed = mount.directory && mount.place !== "/dev" ? k.MOUNT_ATTR_NODEV : 0;
  const set = closed | (mount.readOnly ? k.MOUNT_ATTR_RDONLY : 0);
  if (set !== 0) {
    steps.must(`restrict volume "${mount.volume}"`, "mount_setattr", [
      volume,
      "",
      k.AT_EMPTY_PATH | recursive,
      attributes(set),
      MOUNT_ATTR_SIZE,
    ]);
  }
  return volume;
}

/**
 * How the place of a volume is looked for. There are no links on the way to it in the image; those that an app has made may
 * lead to where they lead, but into no other mount: not into /proc, where the volume would stand in for files that rkt
 * itself writes (CVE-2025-52881), and not into another volume, which somebody else may be changing meanwhile
 * (CVE-2021-30465). Where the place is in a mount, of rkt's own or another volume, there is no link.
 */
function placeRules({ place, inside }: AppMount) {
  const own = inside || isBelow(place, "/dev") || isBelow(place, "/sys") ||
    place === "/etc/hostname";
  const more = own ? k.RESOLVE_NO_SYMLINKS : k.RESOLVE_NO_XDEV;
  return {
    anything: inRoot(k.O_PATH | k.O_CLOEXEC, more),
    directory: inRoot(k.O_PATH | k.O_CLOEXEC | k.O_DIRECTORY, more),
  };
}

/**
 * Mounts a volume. A missing target is made, with its parents; a file of the image where a directory is needed makes place
 * for it (spec: what the volume covers is not seen).
 */
export function attachVolume(
  steps: Section,
  at: string,
  mount: AppMount,
  volume: Slot,
  root: Slot,
): void {
  const names = mount.place.split("/").filter((name) => name !== "");
  const leaf = names.at(-1) ?? "";
  const { anything, directory } = placeRules(mount);
  let parent = root;
  names.slice(0, -1).forEach((name, i) => {
    const path = names.slice(0, i + 1).join("/");
    const next = slot("parent");
    steps.attempt(`make /${path} ${at}`, "mkdirat", [parent, name, 0o755]);
    steps.must(`open /${path} ${at}`, "openat2", [root, path, directory, OPEN_HOW_SIZE], {
      store: next,
      hint: `volume "${mount.volume}" cannot be mounted at ${mount.target}`,
    });
    if (parent !== root) steps.attempt("close the parent", "close", [parent]);
    parent = next;
  });
  const path = names.join("/");
  const what = `open ${mount.target} ${at}`;
  const hint = `volume "${mount.volume}" cannot be mounted there`;
  if (mount.directory) {
    steps.attempt(`make ${mount.target} ${at}`, "mkdirat", [parent, leaf, 0o755]);
  } else {
    const file = slot("file");
    steps.attempt(`make ${mount.target} ${at}`, "openat", [
      parent,
      leaf,
      k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC | k.O_NOFOLLOW,
      0o644,
    ], { store: file });
    steps.attempt("close it", "close", [file]);
  }
  let target = slot("target");
  if (mount.directory && !mount.inside) {
    // A file of the image makes way for a directory. What is in another volume is not ours to remove.
    target = openTarget(steps, what, root, {
      path,
      how: directory,
      errno: ERRNO.ENOTDIR,
      hint,
      make: () => {
        steps.must(`remove the file ${mount.target} ${at}`, "unlinkat", [parent, leaf, 0]);
        steps.must(`make ${mount.target} ${at}`, "mkdirat", [parent, leaf, 0o755]);
      },
    });
  } else {
    const how = mount.directory ? directory : anything;
    steps.must(what, "openat2", [root, path, how, OPEN_HOW_SIZE], { store: target, hint });
  }
  attach(steps, `mount volume "${mount.volume}" on ${mount.target} ${at}`, volume, target);
  steps.attempt("close the target", "close", [target]);
  steps.attempt("close the volume", "close", [volume]);
  if (parent !== root) steps.attempt("close the parent", "close", [parent]);
}
