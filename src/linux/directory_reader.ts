/** Reads directories, attributes and contents with all that the kernel knows; names are bytes. */
import { STATX } from "./statx.ts";
import { u16At } from "./bytes.ts";
import { type ByteString, byteString } from "./byte_string.ts";
import { ERRNO, KernelError } from "./errno.ts";
import { NameBuffer, type ReadingCalls, readingCalls } from "./files.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  SEEK_DATA,
  SEEK_HOLE,
  SEEK_SET,
  STATX_BASIC_STATS,
} from "./constants.ts";

/** What `statx(2)` tells about a file. */
export interface FileStatus {
  /** Type and permissions: `S_IFREG | 0o644`. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly inode: bigint;
  readonly size: number;
  /** Seconds since the epoch, rounded down. */
  readonly mtime: number;
  /** Nanoseconds beyond {@linkcode mtime}. */
  readonly mtimeNs: number;
  readonly major: number;
  readonly minor: number;
  /** The file system it is on. */
  readonly device: string;
}

/** XATTR_LIST_MAX and XATTR_SIZE_MAX, include/uapi/linux/limits.h. */
const XATTR_MAX = 65536;

/** Reads files and directories by descriptor; buffers are used again. */
export class DirectoryReader {
  readonly #calls: ReadingCalls = readingCalls();
  readonly #name = new NameBuffer();
  readonly #stat = new Uint8Array(STATX.bytes);
  readonly #view = new DataView(this.#stat.buffer);
  readonly #entries = new Uint8Array(1 << 16);
  readonly #value = new Uint8Array(XATTR_MAX);

  /** Opens a directory by its path, links followed. */
  openRoot(path: ByteString): number {
    const flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    const fd = this.#calls.openat(AT_FDCWD, this.#name.of(path), flags);
    if (fd < 0) throw new KernelError(-fd, "open");
    return fd;
  }

  /** Opens a directory or regular file in `directory`; a symlink is refused. */
  open(directory: number, name: ByteString): number {
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const fd = this.#calls.openat(directory, this.#name.of(name), flags);
    if (fd < 0) throw new KernelError(-fd, "open");
    return fd;
  }

  close(fd: number): void {
    this.#calls.close(fd);
  }

  /** The status of a name in `directory`, or with an empty name of the directory itself. */
  status(directory: number, name: ByteString): FileStatus {
    const flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    const path = this.#name.of(name);
    const result = this.#calls.statx(directory, path, flags, STATX_BASIC_STATS, this.#stat);
    if (result < 0) throw new KernelError(-result, "read its status");
    const view = this.#view;
    return {
      links: view.getUint32(STATX.links, true),
      uid: view.getUint32(STATX.uid, true),
      gid: view.getUint32(STATX.gid, true),
      mode: view.getUint16(STATX.mode, true),
      inode: view.getBigUint64(STATX.inode, true),
      size: Number(view.getBigUint64(STATX.size, true)),
      mtime: Number(view.getBigInt64(STATX.modified, true)),
      mtimeNs: view.getUint32(STATX.modified + 8, true),
      major: view.getUint32(STATX.rdev, true),
      minor: view.getUint32(STATX.rdev + 4, true),
      device: `${view.getUint32(STATX.device, true)}:${view.getUint32(STATX.device + 4, true)}`,
    };
  }

  /** The names in a directory, sorted by their bytes, without `.` and `..`. */
  names(fd: number): ByteString[] {
    const names: ByteString[] = [];
    for (;;) {
      const n = this.#calls.getdents64(fd, this.#entries);
      if (n < 0) throw new KernelError(-n, "read the directory");
      if (n === 0) return names.sort();
      // struct linux_dirent64: d_ino 8, d_off 8, d_reclen 2, d_type 1, d_name
      for (let at = 0; at < n;) {
        const length = u16At(this.#entries, at + 16);
        const end = this.#entries.indexOf(0, at + 19);
        const name = byteString(this.#entries, at + 19, end);
        if (name !== "." && name !== "..") names.push(name);
        at += length;
      }
    }
  }

  /** The target of a symlink. */
  link(directory: number, name: ByteString): ByteString {
    const n = this.#calls.readlinkat(directory, this.#name.of(name), this.#value);
    if (n < 0) throw new KernelError(-n, "read the symlink");
    return byteString(this.#value, 0, n);
  }

  /** The extended attributes that `wanted` names, sorted; none where the file system has none. */
  xattrs(fd: number, wanted: (name: ByteString) => boolean): Map<ByteString, Uint8Array> {
    const found = new Map<ByteString, Uint8Array>();
    const n = this.#calls.flistxattr(fd, this.#value);
    if (n === -ERRNO.EOPNOTSUPP) return found;
    if (n < 0) throw new KernelError(-n, "list its attributes");
    for (const name of byteString(this.#value, 0, n).split("\0").sort()) {
      if (name === "" || !wanted(name)) continue;
      const length = this.#calls.fgetxattr(fd, this.#name.of(name), this.#value);
      if (length < 0) throw new KernelError(-length, `read its attribute ${name}`);
      found.set(name, this.#value.slice(0, length));
    }
    return found;
  }

  /**
   * Where data lie in a file: offset, length, offset, length, … in ascending order; between them are holes.
   *
   * @param size of the file
   * @param least a smaller hole counts as data
   * @returns undefined where there are no such holes, or the file system does not say
   */
  pieces(fd: number, size: number, least: number): number[] | undefined {
    const pieces: number[] = [];
    let end = 0;
    let holes = 0;
    for (let at = 0; at < size;) {
      // No more data: ENXIO. One that knows no holes has data everywhere.
      const data = this.#calls.lseek(fd, at, SEEK_DATA);
      const from = data < 0 ? size : Math.min(data, size);
      if (from - end >= least) {
        holes += from - end;
        if (from < size) pieces.push(from, 0);
      } else if (pieces.length === 0 && from < size) pieces.push(0, 0);
      if (from >= size) break;
      const hole = this.#calls.lseek(fd, from, SEEK_HOLE);
      end = hole < 0 ? size : Math.min(hole, size);
      pieces[pieces.length - 1] = end - (pieces.at(-2) ?? 0);
      at = end;
    }
    this.#calls.lseek(fd, 0, SEEK_SET);
    return holes === 0 ? undefined : pieces;
  }

  /** Goes to an offset of a file. */
  seek(fd: number, offset: number): void {
    const result = this.#calls.lseek(fd, offset, SEEK_SET);
    if (result < 0) throw new KernelError(-result, "seek");
  }

  /** Reads into the beginning of `into`; returns how much, 0 at the end. */
  read(fd: number, into: Uint8Array<ArrayBuffer>): number {
    for (;;) {
      const n = this.#calls.read(fd, into);
      if (n >= 0) return n;
      if (n !== -ERRNO.EINTR) throw new KernelError(-n, "read");
    }
  }
}
