/**
 * Where indexes are mounted: once each, below /run/rkt/trees, in a directory for each store. Pods get clones of the mounts,
 * so that all share one cache of pages. Root alone may look in: the trees hold setuid programs of strangers.
 *
 * The mounts are private: they never reach another mount namespace that exists already, and a new one gets copies that
 * nobody waits for.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  MNT_DETACH,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_PRIVATE,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  STATX_ATTR_MOUNT_ROOT,
  UMOUNT_NOFOLLOW,
} from "../linux/constants.ts";
import { replaceFile } from "../linux/atomic_file.ts";
import { exists } from "../linux/exists.ts";
import { closeDescriptor, lockExclusive, openLockFile } from "../linux/lock.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { type IndexFiles, mountIndex, type MountMethod } from "./mount_index.ts";

/** The directory of all mounts. */
export const TREES_DIRECTORY = "/run/rkt/trees";
const LOCK = "/run/rkt/trees.lock";
/** In a store's directory: the data directory that it belongs to. */
const OWNER = "data-directory";

/** A store's mounts, as this module knows them. */
export interface StoreMounts {
  /** Below {@linkcode TREES_DIRECTORY}: an own one for each store. */
  readonly directory: string;
  /** The data directory, an absolute path. */
  readonly dataDirectory: string;
}

/**
 * Mounts an index under a name, unless that was done already.
 *
 * @throws {KernelError}
 */
export function shareMount(
  { directory, dataDirectory }: StoreMounts,
  name: string,
  files: IndexFiles,
  method: MountMethod,
): void {
  const path = `${directory}/${name}`;
  locked(() => {
    if (isMounted(path)) return;
    makePrivate(TREES_DIRECTORY);
    if (!exists(`${directory}/${OWNER}`)) {
      sweepMounts();
      Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
      // Whole or not at all: with a part of it, on a full /run, the next sweep would take the store for gone.
      replaceFile(`${directory}/${OWNER}`, dataDirectory, { mode: 0o600, durable: false });
    }
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    const mount = mountIndex(files, method);
    try {
      attach(mount, path);
    } finally {
      closeDescriptor(mount);
    }
  });
}

/** Whether mounts can be shared here: not where /run can't be written, or nothing can be mounted. */
export function canShare(): boolean {
  try {
    locked(() => makePrivate(TREES_DIRECTORY));
    return true;
  } catch {
    return false;
  }
}

/** Detaches the mounts of a store that nobody wants. Who still uses one keeps it until he lets go. */
export function detachMounts(directory: string, unwanted: (name: string) => boolean): void {
  if (!exists(directory)) return;
  locked(() => {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      if (isDirectory && unwanted(name)) detach(`${directory}/${name}`);
    }
  });
}

/** Whether something is mounted at a path (statx(2), since Linux 5.8). */
export function isMounted(path: string): boolean {
  const status = new Uint8Array(256);
  if (trySyscall("statx", AT_FDCWD, cstring(path), AT_SYMLINK_NOFOLLOW, 0, status) < 0) {
    return false;
  }
  const attributes = new DataView(status.buffer).getUint32(8, true);
  return (attributes & STATX_ATTR_MOUNT_ROOT) !== 0;
}

/** Detaches the mounts of stores whose data directories are gone. */
function sweepMounts(): void {
  for (const { name } of Deno.readDirSync(TREES_DIRECTORY)) {
    const directory = `${TREES_DIRECTORY}/${name}`;
    const owner = `${directory}/${OWNER}`;
    if (exists(owner) && exists(`${Deno.readTextFileSync(owner)}/cas`)) continue;
    for (const entry of Deno.readDirSync(directory)) {
      if (entry.isDirectory) detach(`${directory}/${entry.name}`);
    }
    Deno.removeSync(directory, { recursive: true });
  }
}

function detach(path: string): void {
  if (isMounted(path)) {
    syscall(`unmount ${path}`, "umount2", cstring(path), MNT_DETACH | UMOUNT_NOFOLLOW);
  }
  Deno.removeSync(path);
}

/** A directory is mounted over itself, to have a propagation of its own (mount_namespaces(7)). */
function makePrivate(path: string): void {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  if (isMounted(path)) return;
  const doing = `mount ${path}`;
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  const mount = syscall(doing, "open_tree", AT_FDCWD, cstring(path), flags);
  try {
    attach(mount, path);
    const attributes = new BigUint64Array([0n, 0n, BigInt(MS_PRIVATE), 0n]);
    const bytes = new Uint8Array(attributes.buffer);
    syscall(doing, "mount_setattr", mount, cstring(""), AT_EMPTY_PATH, bytes, bytes.length);
  } finally {
    closeDescriptor(mount);
  }
}

function attach(mount: number, path: string): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH;
  const doing = `mount ${path}`;
  syscall(doing, "move_mount", mount, cstring(""), AT_FDCWD, cstring(path), flags);
}

/** One process at a time: two mounts of one index would not share their pages. */
function locked(step: () => void): void {
  Deno.mkdirSync(LOCK.slice(0, LOCK.lastIndexOf("/")), { recursive: true, mode: 0o755 });
  const fd = openLockFile(LOCK);
  try {
    lockExclusive(fd, LOCK);
    step();
  } finally {
    closeDescriptor(fd);
  }
}
