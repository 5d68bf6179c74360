/**
 * The root of an OCI container: its file system, mounts, devices, and what of /proc and /sys it may not see. Targets are found
 * below its root, links meaning what they mean to the container; no path of its is ever followed out of it.
 */
import * as k from "../../src/linux/constants.ts";
import {
  ANYTHING,
  attach,
  DIRECTORY,
  inRoot,
  MOUNT_ATTR_SIZE,
  newMount,
  OPEN_HOW_SIZE,
} from "../steps/mounts.ts";
import { addressOf, type Section, type Slot, slot, space, struct } from "../engine/plan.ts";
import type { MountOption } from "../steps/mounts.ts";
import type { Container, ContainerMount, MountAttributes } from "./container.ts";

/** Bytes of a `struct statfs`, and its first field of /proc (include/uapi/linux/magic.h). */
const STATFS_SIZE = 120;
const PROC_SUPER_MAGIC = 0x9fa0;

/** What of the host is opened before the root changes. */
export interface OpenMounts {
  readonly root: Slot;
  /** In the order of the mounts; of those that are the host's files. */
  readonly sources: ReadonlyMap<ContainerMount, Slot>;
}

/** A `struct mount_attr`. */
export const attributesOf = ({ set, clear }: MountAttributes, propagation = 0, users = 0) =>
  struct(
    "mount_attr",
    ["attr_set", 8, set],
    ["attr_clr", 8, clear],
    ["propagation", 8, propagation],
    ["userns_fd", 8, users],
  );

/** `struct open_how`: a path of the root without links. */
export const PLAIN = inRoot(k.O_PATH | k.O_CLOEXEC, k.RESOLVE_NO_SYMLINKS);

export const NONE: MountAttributes = { set: 0, clear: 0, recursive: false };

/** The mounts of the host, as they are before this namespace's own are private: only so some of them stay shared. */
export function openMounts(s: Section, { rootfs, mounts }: Container): OpenMounts {
  const root = slot("root");
  s.must(`open the root ${rootfs}`, "open_tree", [
    k.AT_FDCWD,
    rootfs,
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | k.AT_RECURSIVE,
  ], { store: root });
  const sources = new Map<ContainerMount, Slot>();
  for (const [i, mount] of mounts.entries()) {
    if (mount.kind !== "bind") continue;
    const source = slot(`source ${i}`);
    const recursive = mount.recursive ? k.AT_RECURSIVE : 0;
    s.must(`open ${mount.source} for the mount at ${mount.target}`, "open_tree", [
      k.AT_FDCWD,
      mount.source,
      k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | recursive,
    ], { store: source });
    sources.set(mount, source);
  }
  s.must("keep mounts from reaching the host", "mount", [
    "none",
    "/",
    0,
    k.MS_REC | k.MS_PRIVATE,
    0,
  ], {
    hint: "in a chroot whose root is no mount, mount it on itself first: mount --bind DIR DIR",
  });
  return { root, sources };
}

/** Attaches the root, and enters it. */
export function attachContainerRoot(s: Section, { rootfs }: Container, { root }: OpenMounts): void {
  s.must("make the root private", "mount_setattr", [
    root,
    "",
    k.AT_EMPTY_PATH | k.AT_RECURSIVE,
    attributesOf(NONE, k.MS_PRIVATE),
    MOUNT_ATTR_SIZE,
  ]);
  s.must(`mount the root on ${rootfs}`, "move_mount", [
    root,
    "",
    k.AT_FDCWD,
    rootfs,
    k.MOVE_MOUNT_F_EMPTY_PATH,
  ]);
  s.must("enter the root", "fchdir", [root]);
}

/** Makes and attaches all mounts. */
export function mountAll(s: Section, container: Container, open: OpenMounts): void {
  for (const [i, mount] of container.mounts.entries()) {
    const at = `at ${mount.target} (mount ${i})`;
    if (mount.kind === "link") {
      makeLink(s, at, open.root, mount.target, mount.to);
      continue;
    }
    const made = slot("mount");
    if (mount.kind === "bind") {
      const source = open.sources.get(mount);
      if (source === undefined) throw new Error(`the source of ${mount.target} is not open`);
      restrict(s, at, source, mount);
      place(s, at, mount, source, open.root, mount.directory);
      continue;
    }
    if (mount.kind === "made") s.set(made, mount.descriptor);
    else if (mount.options.some(isLong)) mountByText(s, at, mount, container.directory, made);
    else newMount(s, `mount ${mount.type} ${at}`, mount.type, mount.options, 0, made);
    restrict(s, at, made, mount);
    place(s, at, mount, made, open.root, true);
  }
}

/** The most bytes of a value that fsconfig(2) takes (fs/fsopen.c). */
const MOST_VALUE = 255;

const isLong = ([, value]: MountOption): boolean =>
  value !== undefined && new TextEncoder().encode(value).length > MOST_VALUE;

/** Options of all file systems, which mount(2) takes as flags and not as text. */
const FLAGS: Readonly<Record<string, number>> = {
  sync: k.MS_SYNCHRONOUS,
  async: 0,
  dirsync: k.MS_DIRSYNC,
  lazytime: k.MS_LAZYTIME,
  nolazytime: 0,
};

/** As {@linkcode newMount}, by the older call, which takes a page of options: the layers of overlayfs have long names. */
function mountByText(
  s: Section,
  at: string,
  { type, options }: Extract<ContainerMount, { readonly kind: "new" }>,
  scratch: string,
  made: Slot,
): void {
  const what = `mount ${type} ${at}`;
  const source = options.find(([key]) => key === "source")?.[1] ?? "none";
  const isFlag = ([key, value]: MountOption) => value === undefined && FLAGS[key] !== undefined;
  const flags = options.filter(isFlag).reduce((bits, [key]) => bits | (FLAGS[key] ?? 0), 0);
  const text = options.filter((each) => each[0] !== "source" && !isFlag(each))
    .map((each) => each.join("=")).join(",");
  // In this mount namespace alone, and only until the mount is where it belongs.
  s.must(`${what} (${text})`, "mount", [source, scratch, type, flags, text]);
  s.must(what, "open_tree", [
    k.AT_FDCWD,
    scratch,
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
  ], { store: made });
  s.must(what, "umount2", [scratch, k.MNT_DETACH]);
}

type RealMount = Exclude<ContainerMount, { readonly kind: "link" }>;

function restrict(s: Section, at: string, mount: Slot, { attributes, ...rest }: RealMount): void {
  if (rest.kind === "bind" && rest.users !== undefined) {
    const whole = rest.recursive ? k.AT_RECURSIVE : 0;
    const mapped = attributesOf({ ...NONE, set: k.MOUNT_ATTR_IDMAP }, 0, rest.users);
    s.must(`map the users of the mount ${at}`, "mount_setattr", [
      mount,
      "",
      k.AT_EMPTY_PATH | whole,
      mapped,
      MOUNT_ATTR_SIZE,
    ], { hint: "this needs a kernel and a file system with ID-mapped mounts" });
  }
  for (const each of attributes) {
    s.must(`restrict the mount ${at}`, "mount_setattr", [
      mount,
      "",
      k.AT_EMPTY_PATH | (each.recursive ? k.AT_RECURSIVE : 0),
      attributesOf(each),
      MOUNT_ATTR_SIZE,
    ]);
  }
}

function place(
  s: Section,
  at: string,
  { target, propagation, ...rest }: RealMount,
  mount: Slot,
  root: Slot,
  directory: boolean,
): void {
  const found = openPlace(s, at, root, target, directory);
  if (rest.kind === "new" && KERNEL_TYPES.has(rest.type)) refuseLinks(s, at, root, target);
  if (!isKernelPlace(target)) refuseProc(s, at, found);
  attach(s, `attach the mount ${at}`, mount, found);
  s.attempt("close the target", "close", [found]);
  for (const flags of propagation) {
    s.must(`set the propagation of the mount ${at}`, "mount_setattr", [
      mount,
      "",
      k.AT_EMPTY_PATH | ((flags & k.MS_REC) === 0 ? 0 : k.AT_RECURSIVE),
      attributesOf(NONE, flags & ~k.MS_REC),
      MOUNT_ATTR_SIZE,
    ]);
  }
  s.attempt("close the mount", "close", [mount]);
}

/** File systems in which paths are masked: they have to be where the configuration says (CVE-2019-19921, CVE-2023-27561). */
const KERNEL_TYPES: ReadonlySet<string> = new Set(["proc", "sysfs"]);

function refuseLinks(s: Section, at: string, root: Slot, path: string): void {
  s.attempt("close it", "close", [openWithoutLinks(s, at, root, path)]);
}

function openWithoutLinks(s: Section, at: string, root: Slot, path: string): Slot {
  const place = slot("place without links");
  s.must(`see that no link leads to the place ${at}`, "openat2", [
    root,
    path.slice(1),
    PLAIN,
    OPEN_HOW_SIZE,
  ], { store: place });
  return place;
}

/** Whether a mount is meant to be in /proc, as the configuration spells it. */
const isKernelPlace = (target: string): boolean =>
  target === "/proc" || target.startsWith("/proc/");

/** A link of the image that leads into /proc would let a mount stand in for files that the runtime writes (CVE-2025-52881). */
function refuseProc(s: Section, at: string, place: Slot): void {
  const status = space("statfs", STATFS_SIZE);
  const kind = slot("file system");
  const other = `not in /proc ${at}`;
  s.must(`see what the place is in ${at}`, "fstatfs", [place, status]);
  s.compute("load", [addressOf(status)], { store: kind });
  s.compute("let", [kind], { branch: { when: "different", operand: PROC_SUPER_MAGIC, to: other } });
  s.must(`refuse the mount ${at}: a link of the image leads it into /proc`, "fchdir", [-1]);
  s.label(other);
}

/**
 * Opens the place of a mount, which is made where it is missing, with its parents.
 *
 * @param at names the labels: unique in the plan
 */
export function openPlace(
  s: Section,
  at: string,
  root: Slot,
  path: string,
  directory: boolean,
): Slot {
  const names = path.split("/").filter((name) => name !== "");
  const found = slot("target");
  const done = `place found ${at}`;
  const how = directory ? DIRECTORY : ANYTHING;
  const whole = names.length === 0 ? "." : names.join("/");
  s.attempt(`open the place ${at}`, "openat2", [root, whole, how, OPEN_HOW_SIZE], {
    store: found,
    branch: { when: "less", operand: 0, to: `make the place ${at}` },
  });
  s.goto(done);
  s.label(`make the place ${at}`);
  for (const [i, name] of names.entries()) {
    const parent = slot("parent");
    const above = i === 0 ? "." : names.slice(0, i).join("/");
    s.must(`open /${above} ${at}`, "openat2", [root, above, DIRECTORY, OPEN_HOW_SIZE], {
      store: parent,
    });
    if (i < names.length - 1 || directory) {
      s.attempt(`make /${names.slice(0, i + 1).join("/")} ${at}`, "mkdirat", [parent, name, 0o755]);
    } else {
      s.attempt(`make /${whole} ${at}`, "mknodat", [parent, name, k.S_IFREG | 0o644, 0]);
    }
    s.attempt("close the parent", "close", [parent]);
  }
  s.must(`open the place ${at}`, "openat2", [root, whole, how, OPEN_HOW_SIZE], { store: found });
  s.label(done);
  return found;
}

/**
 * Opens the place of a file that the runtime mounts for itself. A link of the image would lead the mount elsewhere: over a file
 * of /proc that the runtime writes to later, for one (CVE-2025-52565).
 */
export function openPlainPlace(s: Section, at: string, root: Slot, path: string): Slot {
  s.attempt("close the target", "close", [openPlace(s, at, root, path, false)]);
  return openWithoutLinks(s, at, root, path);
}

/** Opens the directory that a path of the root is in; it is made where it is missing. */
export function openParent(
  s: Section,
  at: string,
  root: Slot,
  path: string,
): readonly [Slot, string] {
  const leaf = path.slice(path.lastIndexOf("/") + 1);
  const parent = path.slice(0, path.length - leaf.length);
  return [openPlace(s, at, root, parent, true), leaf];
}

function makeLink(s: Section, at: string, root: Slot, path: string, to: string): void {
  const [parent, name] = openParent(s, at, root, path);
  s.attempt(`make the link ${at}`, "symlinkat", [to, parent, name]);
  s.attempt("close the parent", "close", [parent]);
}

/** The root becomes that of the process. */
export function changeContainerRoot(s: Section, { pivots }: Container): void {
  if (pivots) {
    s.must("change the root", "pivot_root", [".", "."]);
    s.must("detach the host's root", "umount2", [".", k.MNT_DETACH]);
  } else {
    s.must("move the root over the host's", "mount", [".", "/", 0, k.MS_MOVE, 0]);
    s.must("change the root", "chroot", ["."]);
  }
  s.must("enter the new root", "chdir", ["/"]);
}

/** The last of the root: how it propagates, and whether it can be written to. */
export function finishRoot(s: Section, { propagation, readOnlyRoot }: Container): void {
  if (propagation !== 0) {
    s.must("set the propagation of the root", "mount", ["none", "/", 0, propagation, 0]);
  }
  if (!readOnlyRoot) return;
  s.must("make the root read-only", "mount_setattr", [
    k.AT_FDCWD,
    "/",
    0,
    attributesOf({ ...NONE, set: k.MOUNT_ATTR_RDONLY }),
    MOUNT_ATTR_SIZE,
  ]);
}
