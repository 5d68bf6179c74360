/** Mounts by the calls that take file descriptors, and directories found below an app's root without a way out of it. */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { type Section, type Slot, slot, struct } from "../engine/plan.ts";
import { openTarget } from "./open_target.ts";

export { OPEN_HOW_SIZE } from "../../src/linux/constants.ts";

/** `struct open_how` for a path below an app's root; links in it mean what they mean to the app. */
export const inRoot = (flags: number, more = 0) =>
  struct(
    "open_how",
    ["flags", 8, flags],
    ["mode", 8, 0],
    ["resolve", 8, k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS | more],
  );
export const ANYTHING = inRoot(k.O_PATH | k.O_CLOEXEC);
export const DIRECTORY = inRoot(k.O_PATH | k.O_CLOEXEC | k.O_DIRECTORY);
/** For what only rkt itself can have put there: a link is an attack. */
const REAL_DIRECTORY = struct(
  "open_how",
  ["flags", 8, k.O_PATH | k.O_CLOEXEC | k.O_DIRECTORY | k.O_NOFOLLOW],
  ["mode", 8, 0],
  ["resolve", 8, k.RESOLVE_BENEATH | k.RESOLVE_NO_SYMLINKS],
);

/**
 * `struct mount_attr` that sets some flags.
 *
 * @param users the descriptor of a user namespace, for `MOUNT_ATTR_IDMAP`
 */
export const attributes = (set: number, users = 0) =>
  struct("mount_attr", ["attr_set", 8, set], ["attr_clr", 8, 0], ["propagation", 8, 0], [
    "userns_fd",
    8,
    users,
  ]);
export const READ_ONLY = attributes(k.MOUNT_ATTR_RDONLY);
/** Takes it back. */
export const WRITABLE = struct("mount_attr", ["attr_set", 8, 0], [
  "attr_clr",
  8,
  k.MOUNT_ATTR_RDONLY,
], [
  "propagation",
  8,
  0,
], ["userns_fd", 8, 0]);
/** Bytes of it. */
export const MOUNT_ATTR_SIZE = 32;

/** An option of a file system: a key and its value, or a key alone. */
export type MountOption = readonly [key: string, value?: string];

/** A new file system of a kind, not attached anywhere. */
export function newMount(
  steps: Section,
  what: string,
  type: string,
  options: readonly MountOption[],
  attributes: number,
  mount: Slot,
): void {
  const context = slot("context");
  steps.must(what, "fsopen", [type, k.FSOPEN_CLOEXEC], { store: context });
  configureMount(steps, what, context, options);
  steps.must(what, "fsmount", [context, k.FSMOUNT_CLOEXEC, attributes], { store: mount });
  steps.attempt("close its context", "close", [context]);
}

/**
 * Sets the options of a file system, and makes it.
 *
 * @param otherwise where to go on when that fails; absent where it must not
 */
export function configureMount(
  steps: Section,
  what: string,
  context: Slot,
  options: readonly MountOption[],
  otherwise?: string,
): void {
  const configure = (
    what: string,
    command: number,
    key: string | number,
    value: string | number,
  ) => {
    const args = [context, command, key, value, 0] as const;
    if (otherwise === undefined) return steps.must(what, "fsconfig", args);
    steps.attempt(what, "fsconfig", args, { branch: { when: "error", to: otherwise } });
  };
  for (const [key, value] of options) {
    if (value === undefined) configure(`${what} (${key})`, k.FSCONFIG_SET_FLAG, key, 0);
    else configure(`${what} (${key}=${value})`, k.FSCONFIG_SET_STRING, key, value);
  }
  configure(what, k.FSCONFIG_CMD_CREATE, 0, 0);
}

/**
 * A new file system of a kind on a path: one call in place of those of {@linkcode newMount}, for places that nobody but rkt has
 * had a hand in.
 *
 * @param flags `MOUNT_ATTR_*` of which those that forbid something have the same value as `MS_*`; not the one for read-only,
 *   which would hold for the file system itself
 */
export function mountNew(
  steps: Section,
  what: string,
  type: string,
  options: readonly MountOption[],
  flags: number,
  on: string,
): void {
  const text = options.map((each) => each.join("=")).join(",");
  steps.must(what, "mount", ["none", on, type, flags, text]);
}

/** Attaches a mount to what a descriptor refers to. */
export function attach(steps: Section, what: string, mount: Slot, target: Slot): void {
  steps.must(what, "move_mount", [
    mount,
    "",
    target,
    "",
    k.MOVE_MOUNT_F_EMPTY_PATH | k.MOVE_MOUNT_T_EMPTY_PATH,
  ]);
}

/**
 * Mounts a path on another one, by names below the working directory or of init's root: one call in place of the five by
 * descriptors, for places that nobody but the kernel and rkt has had a hand in.
 *
 * @param missing where to go on if the place is not there: not every kernel has every file. Absent where it has to be
 */
export function bind(
  steps: Section,
  what: string,
  from: string,
  to: string,
  missing?: string,
): void {
  if (missing === undefined) {
    return steps.must(what, "mount", [from, to, 0, k.MS_BIND, 0]);
  }
  const result = slot("result");
  const bound = `bound: ${what}`;
  steps.attempt(what, "mount", [from, to, 0, k.MS_BIND, 0], {
    store: result,
    branch: { when: "equal", operand: 0, to: bound },
  });
  steps.when(result, -ERRNO.ENOENT, missing);
  steps.must(what, "mount", [from, to, 0, k.MS_BIND, 0]);
  steps.label(bound);
}

/** A directory of the root that must not be a link, made if it is missing. */
export function ownDirectory(steps: Section, at: string, root: Slot, name: string): Slot {
  return openTarget(steps, `open /${name} ${at}`, root, {
    path: name,
    how: REAL_DIRECTORY,
    errno: ERRNO.ENOENT,
    make: () => steps.attempt(`make /${name} ${at}`, "mkdirat", [root, name, 0o755]),
    hint: `the image has something else than a directory at /${name}`,
  });
}
