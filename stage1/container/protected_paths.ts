/** What of its files an OCI container may only read, or not see. */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { attach, MOUNT_ATTR_SIZE, newMount, OPEN_HOW_SIZE } from "../steps/mounts.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import type { Container } from "./container.ts";
import { attributesOf, NONE, type OpenMounts, openPlace, PLAIN } from "./container_mounts.ts";

/**
 * What of its files it may only read, or not see. It comes before the change of the root: a cover for files is the host's
 * /dev/null, and only what is mounted can be cloned.
 */
export function protectPaths(s: Section, container: Container, { root }: OpenMounts): void {
  for (const path of container.lateReadOnly) {
    const at = `late, of ${path}`;
    const target = openPlace(s, at, root, path, true);
    s.must(`make it read-only ${at}`, "mount_setattr", [
      target,
      "",
      k.AT_EMPTY_PATH,
      attributesOf({ ...NONE, set: k.MOUNT_ATTR_RDONLY }),
      MOUNT_ATTR_SIZE,
    ]);
    s.attempt("close it", "close", [target]);
  }
  for (const path of container.readonlyPaths) readOnly(s, root, path);
  for (const path of container.maskedPaths) mask(s, root, path);
}

/** Opens a path of the root; goes on at `missing` where there is none. A link on the way is an attack, and ends it. */
function openPlain(s: Section, at: string, root: Slot, path: string, missing: string): Slot {
  const target = slot("target");
  const found = `path found ${at}`;
  const open = [root, path.slice(1), PLAIN, OPEN_HOW_SIZE] as const;
  s.attempt(`open the path ${at}`, "openat2", open, {
    store: target,
    branch: { when: "equal", operand: -ERRNO.ENOENT, to: missing },
  });
  s.when(target, -ERRNO.ENOTDIR, missing);
  s.compute("let", [target], { branch: { when: "less", operand: 0, to: `path wrong ${at}` } });
  s.goto(found);
  s.label(`path wrong ${at}`);
  s.must(`open the path ${at}`, "openat2", open, { store: target });
  s.label(found);
  return target;
}

const CLONE_OF_OPEN = k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | k.AT_EMPTY_PATH;

function readOnly(s: Section, root: Slot, path: string): void {
  const at = `of ${path}`;
  const mount = slot("path");
  const done = `read-only ${at}`;
  const target = openPlain(s, at, root, path, done);
  s.must(`make a mount ${at}`, "open_tree", [target, "", CLONE_OF_OPEN | k.AT_RECURSIVE], {
    store: mount,
  });
  s.must(`make it read-only ${at}`, "mount_setattr", [
    mount,
    "",
    k.AT_EMPTY_PATH,
    attributesOf({ ...NONE, set: k.MOUNT_ATTR_RDONLY }),
    MOUNT_ATTR_SIZE,
  ]);
  attach(s, `attach the read-only mount ${at}`, mount, target);
  s.attempt("close the target", "close", [target]);
  s.attempt("close the mount", "close", [mount]);
  s.label(done);
}

function mask(s: Section, root: Slot, path: string): void {
  const at = `over ${path}`;
  const clone = slot("clone");
  const result = slot("result");
  const [done, covered] = [`masked ${at}`, `covered ${at}`];
  const target = openPlain(s, at, root, path, done);
  s.must(`take a cover ${at}`, "open_tree", [
    k.AT_FDCWD,
    "/dev/null",
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
  ], { store: clone });
  const both = k.MOVE_MOUNT_F_EMPTY_PATH | k.MOVE_MOUNT_T_EMPTY_PATH;
  s.attempt(`cover a file ${at}`, "move_mount", [clone, "", target, "", both], {
    store: result,
    branch: { when: "equal", operand: 0, to: covered },
  });
  // A directory takes no file (ENOTDIR): it is covered by an empty one.
  const empty = slot("mount");
  newMount(
    s,
    `make an empty directory ${at}`,
    "tmpfs",
    [["size", "4k"]],
    k.MOUNT_ATTR_RDONLY,
    empty,
  );
  attach(s, `cover a directory ${at}`, empty, target);
  s.attempt("close the mount", "close", [empty]);
  s.label(covered);
  s.attempt("close the clone", "close", [clone]);
  s.attempt("close the target", "close", [target]);
  s.label(done);
}
