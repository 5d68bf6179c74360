/**
 * An app's root: the overlay over its tree, /proc, /sys and /dev, the volumes. All of it by the mount calls that take
 * file descriptors: the image chooses what stands below its root, so no path of it is ever followed out of it.
 */
import { mountEtcFiles } from "./etc_files.ts";
import * as k from "./plan/constants.ts";
import { type Section, type Slot, slot, struct } from "./plan/plan.ts";
import { type PrivateUsers, shiftLayer } from "./private_users.ts";
import type { AppMount, Pod, PodApp, Root } from "./pod.ts";
import { makeTerminals, type Terminals } from "./streams.ts";

/** Mounts that are made and not yet attached, because init still stands in the host's root. */
export interface OpenRoot {
  readonly root: Slot;
  /** With users of the pod's own: what is made outside of their namespace. */
  readonly dev?: Slot;
  readonly proc?: Slot;
  readonly sys?: Slot;
  /** In the order of {@linkcode PodApp.mounts}. */
  readonly volumes: readonly Slot[];
}

export const OPEN_HOW_SIZE = 24;

/** `struct open_how` for a path below an app's root; links in it mean what they mean to the app. */
const inRoot = (flags: number, more = 0) =>
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

/** `struct mount_attr` that sets some flags. */
export const attributes = (set: number) =>
  struct("mount_attr", ["attr_set", 8, set], ["attr_clr", 8, 0], ["propagation", 8, 0], [
    "userns_fd",
    8,
    0,
  ]);
export const READ_ONLY = attributes(k.MOUNT_ATTR_RDONLY);
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
  for (const [key, value] of options) {
    const [said, command] = value === undefined
      ? [key, k.FSCONFIG_SET_FLAG]
      : [`${key}=${value}`, k.FSCONFIG_SET_STRING];
    steps.must(`${what} (${said})`, "fsconfig", [context, command, key, value ?? 0, 0]);
  }
  steps.must(what, "fsconfig", [context, k.FSCONFIG_CMD_CREATE, 0, 0, 0]);
  steps.must(what, "fsmount", [context, k.FSMOUNT_CLOEXEC, attributes], { store: mount });
  steps.try("close its context", "close", [context]);
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

/** overlayfs separates lower directories by colons, and takes a backslash before one that is meant. */
const escaped = (path: string): string => path.replaceAll("\\", "\\\\").replaceAll(":", "\\:");

/** What of an app's root comes from the host: opened while the host's root is still there. */
export function openRoot(steps: Section, pod: Pod, app: PodApp): OpenRoot {
  const root = slot(`root of ${app.name}`);
  if (app.root.kind === "overlay") {
    const { layers, durable } = app.root;
    const lower = lowerLayers(steps, pod, app, app.root);
    // Without it the end of every pod writes out all that the host's file system has not written yet (ovl_sync_fs).
    const volatile: readonly MountOption[] = durable ? [] : [["volatile"]];
    // Device nodes of an image have no effect: what an app may use is in its /dev.
    newMount(
      steps,
      `mount the root of app "${app.name}"`,
      "overlay",
      [
        ["lowerdir", lower],
        ["upperdir", `${layers}/upper`],
        ["workdir", `${layers}/work`],
        ...volatile,
      ],
      k.MOUNT_ATTR_NODEV,
      root,
    );
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
      attributes(k.MOUNT_ATTR_NODEV),
      MOUNT_ATTR_SIZE,
    ]);
  }
  const volumes = app.mounts.map((mount) => openVolume(steps, app, mount));
  if (pod.privateUsers === undefined) return { root, volumes };
  const at = `in app "${app.name}"`;
  const dev = makeDev(steps, at, pod.privateUsers);
  if (pod.network.kind !== "host") return { root, volumes, dev };
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
  return { root, volumes, dev, sys };
}

/** The lower layers of an app's overlay, with the users that the pod has. */
function lowerLayers(
  steps: Section,
  { privateUsers }: Pod,
  app: PodApp,
  { tree, skeleton, layers }: Extract<Root, { readonly kind: "overlay" }>,
): string {
  if (privateUsers === undefined) return `${escaped(tree)}:${escaped(skeleton)}`;
  const { shift } = privateUsers;
  const what = `open the files of app "${app.name}" for the pod's users`;
  // The directory is that of the app's root, so its owner is.
  steps.must(what, "fchownat", [k.AT_FDCWD, `${layers}/upper`, shift, shift, 0]);
  return [tree, skeleton].map((path, i) => shiftLayer(steps, what, path, i)).join(":");
}

/** What init itself mounts of the kernel's, where it has to do so before it leaves the host's root. */
export function openKernelFiles(
  steps: Section,
  pod: Pod,
  app: PodApp,
  { sys }: OpenRoot,
): Pick<OpenRoot, "proc" | "sys"> {
  const at = `in app "${app.name}"`;
  return { proc: newProc(steps, at), sys: sys ?? newSys(steps, pod, at) };
}

function openVolume(steps: Section, app: PodApp, mount: AppMount): Slot {
  const volume = slot(`volume ${mount.volume} for ${app.name}`);
  const recursive = mount.recursive ? k.AT_RECURSIVE : 0;
  steps.must(`open volume "${mount.volume}" at ${mount.source}`, "open_tree", [
    k.AT_FDCWD,
    mount.source,
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | recursive,
  ], { store: volume });
  // An app with CAP_MKNOD could make itself a device of the host in a directory; a device that is given is meant.
  const closed = mount.directory ? k.MOUNT_ATTR_NODEV : 0;
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

/** Puts an app's root together at `/APP` in init's root. */
export function attachRoot(
  steps: Section,
  pod: Pod,
  app: PodApp,
  open: OpenRoot,
  terminals: Terminals,
  etc: ReadonlyMap<string, Slot>,
): void {
  const at = `in app "${app.name}"`;
  steps.heading(`init: the root of app "${app.name}"`);
  const place = slot("place");
  steps.must(`make a place for app "${app.name}"`, "mkdirat", [k.AT_FDCWD, `/${app.name}`, 0o755]);
  steps.must(`open the place of app "${app.name}"`, "openat", [
    k.AT_FDCWD,
    `/${app.name}`,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: place });
  attach(steps, `attach the root of app "${app.name}"`, open.root, place);
  steps.try("close the place", "close", [place]);
  mountProc(steps, pod, at, open);
  mountSys(steps, pod, at, open);
  mountDev(steps, at, pod, app, open, terminals);
  hostnameFile(steps, at, open.root);
  app.mounts.forEach((mount, i) => attachVolume(steps, at, mount, open.volumes[i], open.root));
  // After the volumes: these go before them.
  mountEtcFiles(steps, pod, app, open.root, etc);
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
  steps.try("close the root", "close", [open.root]);
}

/** A directory of the root that must not be a link, made if it is missing. */
function ownDirectory(steps: Section, at: string, root: Slot, name: string): Slot {
  const target = slot("target");
  steps.try(`make /${name} ${at}`, "mkdirat", [root, name, 0o755]);
  steps.must(`open /${name} ${at}`, "openat2", [root, name, REAL_DIRECTORY, OPEN_HOW_SIZE], {
    store: target,
    hint: `the image has something else than a directory at /${name}`,
  });
  return target;
}

const KERNEL_FILES = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC;

function newProc(steps: Section, at: string): Slot {
  const proc = slot("proc");
  newMount(steps, `mount proc on /proc ${at}`, "proc", [], KERNEL_FILES, proc);
  return proc;
}

function newSys(steps: Section, pod: Pod, at: string): Slot {
  const sys = slot("sys");
  // Read-only as a whole covers what the spec protects of /sys one by one.
  const readOnly = pod.protectPaths ? k.MOUNT_ATTR_RDONLY : 0;
  newMount(steps, `mount sysfs on /sys ${at}`, "sysfs", [], KERNEL_FILES | readOnly, sys);
  return sys;
}

function mountProc(steps: Section, pod: Pod, at: string, open: OpenRoot): void {
  const target = ownDirectory(steps, at, open.root, "proc");
  const proc = open.proc ?? newProc(steps, at);
  attach(steps, `attach /proc ${at}`, proc, target);
  steps.try("close the target", "close", [target]);
  if (pod.protectPaths) {
    for (const path of PROTECTED.proc.readOnly) readOnly(steps, at, proc, "/proc", path);
    hide(steps, at, proc, "/proc", PROTECTED.proc.hidden);
  }
  steps.try("close /proc", "close", [proc]);
}

function mountSys(steps: Section, pod: Pod, at: string, open: OpenRoot): void {
  const target = ownDirectory(steps, at, open.root, "sys");
  const sys = open.sys ?? newSys(steps, pod, at);
  attach(steps, `attach /sys ${at}`, sys, target);
  steps.try("close the target", "close", [target]);
  if (pod.protectPaths) hide(steps, at, sys, "/sys", PROTECTED.sys.hidden);
  steps.try("close /sys", "close", [sys]);
}

/**
 * What no app may change or see: rkt's protected paths, all of /proc/sys (an app that is root could set the host's
 * sysctls else), and what other runtimes have learned to hide since.
 */
export const PROTECTED = {
  proc: {
    readOnly: [
      "bus",
      "fs",
      "irq",
      "sys",
      "sysrq-trigger",
    ],
    hidden: [
      { path: "acpi", directory: true },
      { path: "asound", directory: true },
      { path: "scsi", directory: true },
      { path: "config.gz", directory: false },
      { path: "kallsyms", directory: false },
      { path: "kcore", directory: false },
      { path: "keys", directory: false },
      { path: "kmem", directory: false },
      { path: "mem", directory: false },
      { path: "sched_debug", directory: false },
      { path: "timer_list", directory: false },
    ],
  },
  sys: {
    hidden: [
      { path: "firmware", directory: true },
      { path: "fs", directory: true },
      { path: "hypervisor", directory: true },
      { path: "module", directory: true },
      { path: "power", directory: true },
      { path: "kernel/debug", directory: true },
    ],
  },
} as const;

/** Below a file system of the kernel's own, which no app has touched yet: there are no links to be afraid of. */
function readOnly(steps: Section, at: string, mount: Slot, of: string, path: string): void {
  const what = `make ${of}/${path} read-only ${at}`;
  const clone = slot("clone");
  const done = `read-only ${of}/${path} ${at}`;
  // Not every kernel has every file.
  steps.try(what, "open_tree", [mount, path, k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC], {
    store: clone,
    branch: { when: "equal", operand: -2, to: done },
  });
  steps.must(what, "mount_setattr", [clone, "", k.AT_EMPTY_PATH, READ_ONLY, MOUNT_ATTR_SIZE]);
  steps.must(what, "move_mount", [clone, "", mount, path, k.MOVE_MOUNT_F_EMPTY_PATH]);
  steps.try("close it", "close", [clone]);
  steps.label(done);
}

/** Covers files with an empty unreadable file, directories with an empty directory: both stand in init's root. */
function hide(
  steps: Section,
  at: string,
  mount: Slot,
  of: string,
  hidden: readonly { readonly path: string; readonly directory: boolean }[],
): void {
  for (const { path, directory } of hidden) {
    const what = `hide ${of}/${path} ${at}`;
    const clone = slot("clone");
    const done = `hidden ${of}/${path} ${at}`;
    const target = slot("target");
    steps.try(what, "openat", [mount, path, k.O_PATH | k.O_CLOEXEC | k.O_NOFOLLOW, 0], {
      store: target,
      branch: { when: "equal", operand: -2, to: done },
    });
    steps.must(what, "open_tree", [
      k.AT_FDCWD,
      directory ? "/.hidden-directory" : "/.hidden-file",
      k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
    ], { store: clone });
    steps.must(what, "mount_setattr", [clone, "", k.AT_EMPTY_PATH, READ_ONLY, MOUNT_ATTR_SIZE]);
    attach(steps, what, clone, target);
    steps.try("close it", "close", [clone]);
    steps.try("close it", "close", [target]);
    steps.label(done);
  }
}

/** What hides paths; made once in init's root. */
export function makeCovers(steps: Section): void {
  const file = slot("file");
  steps.must("make an empty directory", "mkdirat", [k.AT_FDCWD, "/.hidden-directory", 0]);
  steps.must("make an empty file", "openat", [
    k.AT_FDCWD,
    "/.hidden-file",
    k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC,
    0,
  ], { store: file });
  steps.try("close it", "close", [file]);
}

const DEVICES = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
] as const;

const DEVICE_LINKS = [
  ["ptmx", "pts/ptmx"],
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
] as const;

/** `dev_t` as mknod(2) takes it, for small numbers. */
const device = (major: number, minor: number): number => (major << 8) | minor;

function mountDev(
  steps: Section,
  at: string,
  pod: Pod,
  app: PodApp,
  open: OpenRoot,
  terminals: Terminals,
): void {
  const target = ownDirectory(steps, at, open.root, "dev");
  const dev = open.dev ?? makeDev(steps, at);
  attach(steps, `attach /dev ${at}`, dev, target);
  steps.try("close the target", "close", [target]);
  closeDevices(steps, at, dev);

  const pts = slot("pts");
  newMount(
    steps,
    `mount devpts on /dev/pts ${at}`,
    "devpts",
    [["ptmxmode", "0666"], ["mode", "0620"], ["gid", "5"]],
    k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC,
    pts,
  );
  steps.must(`attach /dev/pts ${at}`, "move_mount", [
    pts,
    "",
    dev,
    "pts",
    k.MOVE_MOUNT_F_EMPTY_PATH,
  ]);
  makeTerminals(steps, at, pts, dev, pod, app, terminals);
  steps.try("close /dev/pts", "close", [pts]);

  const shm = slot("shm");
  steps.must(`mount the pod's shared memory on /dev/shm ${at}`, "open_tree", [
    k.AT_FDCWD,
    "/.shm",
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
  ], { store: shm });
  steps.must(`attach /dev/shm ${at}`, "move_mount", [
    shm,
    "",
    dev,
    "shm",
    k.MOVE_MOUNT_F_EMPTY_PATH,
  ]);
  steps.try("close /dev/shm", "close", [shm]);
  steps.try("close /dev", "close", [dev]);
}

/** A /dev that is not attached yet. Only the host's root can make nodes. */
function makeDev(steps: Section, at: string, users?: PrivateUsers): Slot {
  const dev = slot("dev");
  newMount(
    steps,
    `mount tmpfs on /dev ${at}`,
    "tmpfs",
    [["mode", "0755"], ["size", "64k"]],
    k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC,
    dev,
  );
  for (const [name, major, minor] of DEVICES) {
    steps.must(`make /dev/${name} ${at}`, "mknodat", [
      dev,
      name,
      k.S_IFCHR | 0o666,
      device(major, minor),
    ]);
  }
  steps.must(`make /dev/net ${at}`, "mkdirat", [dev, "net", 0o755]);
  steps.must(`make /dev/net/tun ${at}`, "mknodat", [
    dev,
    "net/tun",
    k.S_IFCHR | 0o666,
    device(10, 200),
  ]);
  for (const name of ["pts", "shm"]) {
    steps.must(`make /dev/${name} ${at}`, "mkdirat", [dev, name, 0o755]);
  }
  for (const [name, to] of DEVICE_LINKS) {
    steps.must(`make /dev/${name} ${at}`, "symlinkat", [to, dev, name]);
  }
  // The host's console is nothing for an app; writing to one must work all the same (spec, "Filesystem setup").
  steps.must(`make /dev/console ${at}`, "mknodat", [
    dev,
    "console",
    k.S_IFCHR | 0o666,
    device(1, 3),
  ]);
  if (users !== undefined) giveDev(steps, at, dev, users);
  return dev;
}

/** Gives a /dev to the pod's root. */
function giveDev(steps: Section, at: string, dev: Slot, { shift }: PrivateUsers): void {
  const nodes = [...DEVICES.map(([name]) => name), "net/tun", "console"];
  for (const name of [...nodes, "net", "pts", "shm", ""]) {
    steps.must(`give /dev/${name} to the pod's root ${at}`, "fchownat", [
      dev,
      name,
      shift,
      shift,
      k.AT_EMPTY_PATH,
    ]);
  }
}

/**
 * Leaves the nodes of /dev, and no others that an app with CAP_MKNOD may add: each node is mounted on itself, and the
 * mount around them lets no device be opened. So it needs no cgroup for devices, which not every host has.
 */
function closeDevices(steps: Section, at: string, dev: Slot): void {
  const node = slot("node");
  for (const name of [...DEVICES.map(([name]) => name), "net/tun", "console"]) {
    steps.must(`keep /dev/${name} ${at}`, "open_tree", [
      dev,
      name,
      k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
    ], { store: node });
    steps.must(`keep /dev/${name} ${at}`, "move_mount", [
      node,
      "",
      dev,
      name,
      k.MOVE_MOUNT_F_EMPTY_PATH,
    ]);
    steps.try("close it", "close", [node]);
  }
  steps.must(`let no other device be opened ${at}`, "mount_setattr", [
    dev,
    "",
    k.AT_EMPTY_PATH,
    attributes(k.MOUNT_ATTR_NODEV),
    MOUNT_ATTR_SIZE,
  ]);
}

/** /etc/hostname, where the root has a place for it. */
function hostnameFile(steps: Section, at: string, root: Slot): void {
  const target = slot("target");
  const file = slot("file");
  const done = `hostname ${at}`;
  steps.try(
    `find /etc/hostname ${at}`,
    "openat2",
    [root, "etc/hostname", ANYTHING, OPEN_HOW_SIZE],
    {
      store: target,
      branch: { when: "error", to: done },
    },
  );
  const what = `mount /etc/hostname ${at}`;
  steps.must(
    what,
    "open_tree",
    [k.AT_FDCWD, "/.hostname", k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC],
    {
      store: file,
    },
  );
  steps.must(what, "mount_setattr", [file, "", k.AT_EMPTY_PATH, READ_ONLY, MOUNT_ATTR_SIZE]);
  // Something else than a file there is the image's own affair.
  steps.try(what, "move_mount", [
    file,
    "",
    target,
    "",
    k.MOVE_MOUNT_F_EMPTY_PATH | k.MOVE_MOUNT_T_EMPTY_PATH,
  ]);
  steps.try("close it", "close", [file]);
  steps.try("close it", "close", [target]);
  steps.label(done);
}

/** Writes the file that {@linkcode attachRoot} mounts on /etc/hostname. */
export function makeHostname(steps: Section, pod: Pod): void {
  const file = slot("file");
  const text = `${pod.hostname}\n`;
  steps.must("make /etc/hostname", "openat", [
    k.AT_FDCWD,
    "/.hostname",
    k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  steps.must("write /etc/hostname", "write", [file, text, new TextEncoder().encode(text).length]);
  steps.try("close it", "close", [file]);
}

/**
 * How the target of a volume is looked for. Links of the image may lead to where they lead, but into no other mount: not
 * into /proc, where the volume would stand in for files that rkt itself writes (CVE-2025-52881), and not into another
 * volume, which somebody else may be changing meanwhile (CVE-2021-30465). Where rkt's own mounts are meant, there is no
 * link.
 */
function targetRules(target: string) {
  const own = target.startsWith("/dev/") || target === "/etc/hostname";
  const more = own ? k.RESOLVE_NO_SYMLINKS : k.RESOLVE_NO_XDEV;
  return {
    anything: inRoot(k.O_PATH | k.O_CLOEXEC, more),
    directory: inRoot(k.O_PATH | k.O_CLOEXEC | k.O_DIRECTORY, more),
  };
}

/**
 * Mounts a volume. A missing target is made, with its parents; a file where a directory is needed makes place
 * for it (spec: what the volume covers is not seen).
 */
function attachVolume(steps: Section, at: string, mount: AppMount, volume: Slot, root: Slot): void {
  const names = mount.target.split("/").filter((name) => name !== "");
  const leaf = names.at(-1) ?? "";
  const { anything, directory } = targetRules(`/${names.join("/")}`);
  let parent = root;
  names.slice(0, -1).forEach((name, i) => {
    const path = names.slice(0, i + 1).join("/");
    const next = slot("parent");
    steps.try(`make /${path} ${at}`, "mkdirat", [parent, name, 0o755]);
    steps.must(`open /${path} ${at}`, "openat2", [root, path, directory, OPEN_HOW_SIZE], {
      store: next,
      hint: `volume "${mount.volume}" cannot be mounted at ${mount.target}`,
    });
    if (parent !== root) steps.try("close the parent", "close", [parent]);
    parent = next;
  });
  const target = slot("target");
  const path = names.join("/");
  if (mount.directory) {
    steps.try(`make ${mount.target} ${at}`, "mkdirat", [parent, leaf, 0o755]);
    const found = `target ${mount.target} ${at}`;
    steps.try(`open ${mount.target} ${at}`, "openat2", [root, path, directory, OPEN_HOW_SIZE], {
      store: target,
      branch: { when: "different", operand: -20, to: found },
    });
    steps.must(`remove the file ${mount.target} ${at}`, "unlinkat", [parent, leaf, 0]);
    steps.must(`make ${mount.target} ${at}`, "mkdirat", [parent, leaf, 0o755]);
    steps.label(found);
  } else {
    const file = slot("file");
    steps.try(`make ${mount.target} ${at}`, "openat", [
      parent,
      leaf,
      k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC | k.O_NOFOLLOW,
      0o644,
    ], { store: file });
    steps.try("close it", "close", [file]);
  }
  const how = mount.directory ? directory : anything;
  steps.must(`open ${mount.target} ${at}`, "openat2", [root, path, how, OPEN_HOW_SIZE], {
    store: target,
    hint: `volume "${mount.volume}" cannot be mounted there`,
  });
  attach(steps, `mount volume "${mount.volume}" on ${mount.target} ${at}`, volume, target);
  steps.try("close the target", "close", [target]);
  steps.try("close the volume", "close", [volume]);
  if (parent !== root) steps.try("close the parent", "close", [parent]);
}
