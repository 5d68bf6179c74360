/**
 * Deletes directory trees that contain anything at all: names that are not UTF-8, thousands of
 * levels, leftover mounts, and somebody who moves things about meanwhile. Every step is relative to
 * a directory that is held open, never follows a link and never enters another file system, so
 * nothing outside of the tree can be reached.
 */
import { STATX } from "./statx.ts";
import { u16At } from "./bytes.ts";
import { ERRNO, errnoText, KernelError } from "./errno.ts";
import { closeDescriptor, tryOpenDirectory } from "./lock.ts";
import { cstring, trySyscall } from "./syscall.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  DT_DIR,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  SEEK_SET,
  STATX_BLOCKS,
  STATX_NLINK,
  UMOUNT_NOFOLLOW,
} from "./constants.ts";

/** How many directories are held open; a deeper one is moved up to the top of the tree first. */
const MAX_DEPTH = 32;

/** How many bytes of directory entries are read at once. */
const ENTRIES_BYTES = 32_768;

/** How often a directory that still is not empty is read anew. */
const MAX_PASSES = 4;

const OPEN_HOW = new BigUint64Array([
  BigInt(O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
  0n,
  BigInt(RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH),
]);
const OPEN_HOW_BYTES = new Uint8Array(OPEN_HOW.buffer);

/** What becomes of mounts below the tree: what is in them is never deleted. */
export type LeftoverMounts = "unmount" | "leave";

/** What {@linkcode deleteTree} did. */
export interface Deletion {
  /** Bytes of disk space that were given back: blocks of files whose last name this was. */
  readonly freed: number;
  /** Why the tree is not gone entirely, like `rootfs/mnt: EBUSY (…)`; undefined where it is. */
  readonly left: string | undefined;
}

/** A directory that is being emptied. */
interface Frame {
  readonly fd: number;
  /** Its name in its parent, with the NUL. */
  readonly name: Uint8Array<ArrayBuffer>;
  passes: number;
  /** Directory entries as getdents64(2) gave them, and how much of them was seen. */
  readonly entries: Uint8Array<ArrayBuffer>;
  at: number;
  end: number;
}

class Walk {
  freed = 0;
  left: string | undefined;
  readonly #mounts: LeftoverMounts;
  readonly #stack: Frame[] = [];
  /** By the depth of the directory. */
  readonly #buffers: Uint8Array<ArrayBuffer>[] = [];
  readonly #statx = new Uint8Array(STATX.bytes);
  readonly #statxView = new DataView(this.#statx.buffer);
  #moved = 0;

  constructor(mounts: LeftoverMounts) {
    this.#mounts = mounts;
  }

  /** Empties the directory behind a descriptor and closes it. */
  run(top: number): void {
    this.#push(top, cstring("."));
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      if (frame.at < frame.end || this.#read(frame)) this.#entry(frame);
      else this.#leave(frame);
    }
  }

  #push(fd: number, name: Uint8Array<ArrayBuffer>, passes = 0): void {
    // Of the directories that are open at a time each has a buffer of its own; 32 KB for every directory cost more than it.
    const entries = this.#buffers[this.#stack.length] ??= new Uint8Array(ENTRIES_BYTES);
    this.#stack.push({ fd, name, passes, entries, at: 0, end: 0 });
  }

  #read(frame: Frame): boolean {
    const got = trySyscall("getdents64", frame.fd, frame.entries, frame.entries.length);
    if (got < 0) this.#leaves(frame.name, -got);
    frame.at = 0;
    frame.end = Math.max(got, 0);
    return got > 0;
  }

  /** Deletes the next entry of a directory, or enters it. struct linux_dirent64. */
  #entry(frame: Frame): void {
    const { entries, at } = frame;
    const length = u16At(entries, at + 16);
    const type = entries[at + 18];
    const start = at + 19;
    const name = entries.slice(start, entries.indexOf(0, start) + 1);
    frame.at += length;
    if (isDot(name)) return;
    if (type === DT_DIR) return this.#enter(frame, name);
    const errno = this.#unlink(frame.fd, name, 0);
    // EISDIR: file systems that don't tell the type say DT_UNKNOWN.
    if (errno === ERRNO.EISDIR) this.#enter(frame, name);
    else if (errno !== 0) this.#leaves(name, errno);
  }

  #enter(frame: Frame, name: Uint8Array<ArrayBuffer>): void {
    if (this.#stack.length >= MAX_DEPTH && this.#moveUp(frame, name)) return;
    const open = () => trySyscall("openat2", frame.fd, name, OPEN_HOW_BYTES, OPEN_HOW_BYTES.length);
    let fd = open();
    while (fd === -ERRNO.EXDEV && this.#unmounts(frame.fd, name)) fd = open();
    if (fd >= 0) this.#push(fd, name);
    else if (fd !== -ERRNO.ENOENT) this.#leaves(name, fd === -ERRNO.EXDEV ? ERRNO.EBUSY : -fd);
  }

  /** Moves a directory to the top of the tree, which is read again once all else is deleted. */
  #moveUp(frame: Frame, name: Uint8Array<ArrayBuffer>): boolean {
    const [top] = this.#stack;
    if (top === undefined) return false;
    const to = cstring(`.rkt-delete-${this.#moved++}`);
    const moved = trySyscall("renameat2", frame.fd, name, top.fd, to, 0) === 0;
    if (moved) top.passes = 0;
    return moved;
  }

  /** Ends with a directory that was read to its end: removes it, or reads it once more. */
  #leave(frame: Frame): void {
    this.#stack.pop();
    const parent = this.#stack.at(-1);
    const errno = parent === undefined
      ? (hasEntries(frame.fd) ? ERRNO.ENOTEMPTY : 0)
      : this.#unlink(parent.fd, frame.name, AT_REMOVEDIR);
    if (
      errno === ERRNO.ENOTEMPTY && frame.passes < MAX_PASSES && !this.left && rewind(frame.fd)
    ) return this.#push(frame.fd, frame.name, frame.passes + 1);
    closeDescriptor(frame.fd);
    if (errno !== 0) this.#leaves(frame.name, errno);
  }

  #unmounts(dirFd: number, name: Uint8Array): boolean {
    return this.#mounts === "unmount" && unmount(dirFd, name) === 0;
  }

  /** Removes a name and counts what that frees. */
  #unlink(dirFd: number, name: Uint8Array<ArrayBuffer>, flags: number): number {
    const mask = STATX_NLINK | STATX_BLOCKS;
    const known = trySyscall("statx", dirFd, name, AT_SYMLINK_NOFOLLOW, mask, this.#statx) === 0;
    const links = this.#statxView.getUint32(STATX.links, true);
    const blocks = Number(this.#statxView.getBigUint64(STATX.blocks, true));
    const unlink = () => -trySyscall("unlinkat", dirFd, name, flags);
    let errno = unlink();
    while (errno === ERRNO.EBUSY && this.#unmounts(dirFd, name)) errno = unlink();
    if (errno === ERRNO.ENOENT) return 0;
    if (errno === 0 && known && (links === 1 || flags === AT_REMOVEDIR)) {
      this.freed += blocks * 512;
    }
    return errno;
  }

  /** Remembers the first thing that could not be deleted. What contains it can't be either. */
  #leaves(name: Uint8Array, errno: number): void {
    if (this.left !== undefined) return;
    const text = new TextDecoder().decode(name.subarray(0, -1));
    const above = this.#stack.slice(1).map((f) => new TextDecoder().decode(f.name.subarray(0, -1)));
    this.left = `${[...above, text].join("/")}: ${errnoText(errno)}`;
  }
}

function isDot(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name[1] === 0 || (name[1] === 0x2e && name[2] === 0));
}

/** Lets a directory be read from its start again. */
const rewind = (fd: number): boolean => trySyscall("lseek", fd, 0, SEEK_SET) === 0;

/** Whether a directory, read to its end, has entries now. */
function hasEntries(fd: number): boolean {
  if (!rewind(fd)) return false;
  const entries = new Uint8Array(1024);
  const end = trySyscall("getdents64", fd, entries, entries.length);
  for (let at = 0; at < end; at += u16At(entries, at + 16)) {
    if (!isDot(entries.subarray(at + 19))) return true;
  }
  return false;
}

/**
 * Unmounts what is mounted on a name. Through its parent's descriptor: an O_PATH descriptor of the
 * mounted directory itself would keep the mount busy.
 */
function unmount(dirFd: number, name: Uint8Array): number {
  const parent = cstring(`/proc/self/fd/${dirFd}/`);
  const path = new Uint8Array(parent.length - 1 + name.length);
  path.set(parent.subarray(0, -1));
  path.set(name, parent.length - 1);
  return trySyscall("umount2", path, UMOUNT_NOFOLLOW);
}

/**
 * Deletes a directory and all below it; a path that does not exist is fine. What can't be deleted,
 * like a busy mount, is left, and said.
 *
 * @param mounts `"unmount"` for directories of rkt's own, where mounts are leftovers of rkt
 * @throws {KernelError} where the directory itself cannot be opened
 */
export function deleteTree(path: string, mounts: LeftoverMounts = "leave"): Deletion {
  const fd = tryOpenDirectory(path);
  if (fd === -ERRNO.ENOENT) return { freed: 0, left: undefined };
  if (fd < 0) throw new KernelError(-fd, `open ${path}`);
  const walk = new Walk(mounts);
  walk.run(fd);
  if (walk.left !== undefined) return { freed: walk.freed, left: walk.left };
  const errno = -trySyscall("unlinkat", AT_FDCWD, cstring(path), AT_REMOVEDIR);
  const gone = errno === 0 || errno === ERRNO.ENOENT;
  return { freed: walk.freed, left: gone ? undefined : `${path}: ${errnoText(errno)}` };
}
