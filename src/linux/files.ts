/**
 * System calls on files, typed, for code that makes thousands of them: extraction and building of
 * images. Loading costs 0.3 ms a symbol, so it is done once and only when {@linkcode fileCalls} is called.
 */
import { ERRNO, KernelError } from "./errno.ts";
import { OPEN_HOW_SIZE } from "./early_constants.ts";
import type { Bytes } from "./bytes.ts";
import { orErrno, unlessAgain } from "./syscall.ts";

const SYMBOLS = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  pwrite: { name: "pwrite64", parameters: ["i32", "buffer", "u32", "i64"], result: "i32" },
  ftruncate: { name: "ftruncate64", parameters: ["i32", "i64"], result: "i32" },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  fsetxattr: { parameters: ["i32", "buffer", "buffer", "u32", "i32"], result: "i32" },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  fchownat: { parameters: ["i32", "buffer", "u32", "u32", "i32"], result: "i32" },
  fchmodat: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  // glibc has no wrapper for openat2, and one for mknodat only since 2.33.
  openat2: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "buffer", "u32"],
    result: "i32",
  },
  mknodat: { name: "syscall", parameters: ["i32", "i32", "buffer", "u32", "u32"], result: "i32" },
} as const;

/** The calls. Each returns its result or the negative error number. Names and paths end with a NUL. */
export interface FileCalls {
  openat(directory: number, path: Bytes, flags: number, mode: number): number;
  openat2(directory: number, path: Bytes, how: Bytes): number;
  close(fd: number): number;
  write(fd: number, bytes: Bytes): number;
  pwrite(fd: number, bytes: Bytes, offset: number): number;
  ftruncate(fd: number, size: number): number;
  fchown(fd: number, uid: number, gid: number): number;
  fchmod(fd: number, mode: number): number;
  futimens(fd: number, times: Bytes): number;
  fsetxattr(fd: number, name: Bytes, value: Bytes, size: number): number;
  mkdirat(directory: number, name: Bytes, mode: number): number;
  mknodat(directory: number, name: Bytes, mode: number, device: number): number;
  symlinkat(target: Bytes, directory: number, name: Bytes): number;
  linkat(from: number, target: Bytes, directory: number, name: Bytes): number;
  unlinkat(directory: number, name: Bytes): number;
  fchownat(directory: number, name: Bytes, uid: number, gid: number, flags: number): number;
  fchmodat(directory: number, name: Bytes, mode: number): number;
  utimensat(directory: number, name: Bytes, times: Bytes, flags: number): number;
}

let loaded: FileCalls | undefined;

/** The calls that write trees; loaded once. */
export function fileCalls(): FileCalls {
  return loaded ??= load();
}

function load(): FileCalls {
  const c = Deno.dlopen("libc.so.6", SYMBOLS).symbols;
  return {
    openat: (directory, path, flags, mode) => orErrno(c.openat(directory, path, flags, mode)),
    openat2: (directory, path, how) =>
      unlessAgain(() => orErrno(c.openat2(NR.openat2, directory, path, how, OPEN_HOW_SIZE))),
    close: (fd) => orErrno(c.close(fd)),
    write: (fd, bytes) => orErrno(c.write(fd, bytes, bytes.length)),
    pwrite: (fd, bytes, offset) => orErrno(c.pwrite(fd, bytes, bytes.length, BigInt(offset))),
    ftruncate: (fd, size) => orErrno(c.ftruncate(fd, BigInt(size))),
    fchown: (fd, uid, gid) => orErrno(c.fchown(fd, uid, gid)),
    fchmod: (fd, mode) => orErrno(c.fchmod(fd, mode)),
    futimens: (fd, times) => orErrno(c.futimens(fd, times)),
    fsetxattr: (fd, name, value, size) => orErrno(c.fsetxattr(fd, name, value, size, 0)),
    mkdirat: (directory, name, mode) => orErrno(c.mkdirat(directory, name, mode)),
    mknodat: (directory, name, mode, device) =>
      orErrno(c.mknodat(NR.mknodat, directory, name, mode, device)),
    symlinkat: (target, directory, name) => orErrno(c.symlinkat(target, directory, name)),
    linkat: (from, target, directory, name) => orErrno(c.linkat(from, target, directory, name, 0)),
    unlinkat: (directory, name) => orErrno(c.unlinkat(directory, name, 0)),
    fchownat: (directory, name, uid, gid, flags) =>
      orErrno(c.fchownat(directory, name, uid, gid, flags)),
    fchmodat: (directory, name, mode) => orErrno(c.fchmodat(directory, name, mode, 0)),
    utimensat: (directory, name, times, flags) =>
      orErrno(c.utimensat(directory, name, times, flags)),
  };
}

const READING_SYMBOLS = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  lseekError: { name: "lseek", parameters: ["i32", "i64", "i32"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "u32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  flistxattr: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  fgetxattr: { parameters: ["i32", "buffer", "buffer", "u32"], result: "i32" },
  // glibc has it only since 2.30.
  getdents64: { name: "syscall", parameters: ["i32", "i32", "buffer", "u32"], result: "i32" },
} as const;

/** The calls that read trees. Each returns its result or the negative error number. */
export interface ReadingCalls {
  openat(directory: number, path: Bytes, flags: number): number;
  close(fd: number): number;
  read(fd: number, into: Bytes): number;
  /** Moves the offset. */
  lseek(fd: number, offset: number, whence: number): number;
  readlinkat(directory: number, name: Bytes, into: Bytes): number;
  statx(directory: number, name: Bytes, flags: number, mask: number, into: Bytes): number;
  flistxattr(fd: number, into: Bytes): number;
  fgetxattr(fd: number, name: Bytes, into: Bytes): number;
  getdents64(fd: number, into: Bytes): number;
}

let loadedForReading: ReadingCalls | undefined;

/** The calls that read trees; loaded once. */
export function readingCalls(): ReadingCalls {
  return loadedForReading ??= loadForReading();
}

function loadForReading(): ReadingCalls {
  const c = Deno.dlopen("libc.so.6", READING_SYMBOLS).symbols;
  return {
    openat: (directory, path, flags) => orErrno(c.openat(directory, path, flags, 0)),
    close: (fd) => orErrno(c.close(fd)),
    read: (fd, into) => orErrno(c.read(fd, into, into.length)),
    lseek: function lseek(fd, offset, whence): number {
      const to = BigInt(offset);
      const moved = Number(c.lseek(fd, to, whence));
      if (moved !== -1) return moved;
      // 64 bits take memory before errno can be read. A call that has failed has done nothing, and fails again.
      const error = orErrno(c.lseekError(fd, to, whence));
      return error < 0 ? error : lseek(fd, offset, whence);
    },
    readlinkat: (directory, name, into) =>
      orErrno(c.readlinkat(directory, name, into, into.length)),
    statx: (directory, name, flags, mask, into) =>
      orErrno(c.statx(directory, name, flags, mask, into)),
    flistxattr: (fd, into) => orErrno(c.flistxattr(fd, into, into.length)),
    fgetxattr: (fd, name, into) => orErrno(c.fgetxattr(fd, name, into, into.length)),
    getdents64: (fd, into) => orErrno(c.getdents64(NR.getdents64, fd, into, into.length)),
  };
}

/** Numbers for what libc may lack (arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h). */
const NR = {
  openat2: 437,
  mknodat: Deno.build.arch === "aarch64" ? 33 : 259,
  getdents64: Deno.build.arch === "aarch64" ? 61 : 217,
} as const;

/** A `struct open_how` (include/uapi/linux/openat2.h). */
export function openHow(flags: number, resolve: number): Uint8Array<ArrayBuffer> {
  const how = new Uint8Array(OPEN_HOW_SIZE);
  const view = new DataView(how.buffer);
  view.setBigUint64(0, BigInt(flags), true);
  view.setBigUint64(16, BigInt(resolve), true);
  return how;
}

/** Device number as `mknod(2)` takes it: `new_encode_dev`, include/linux/kdev_t.h. */
export function makedev(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** A file name for the kernel: the bytes of a byte string and a NUL, in a buffer that is used again. */
export class NameBuffer {
  readonly #buffer = new Uint8Array(4097 + 256);

  /** @param name one unit a byte, shorter than PATH_MAX */
  of(name: string): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer;
    const length = name.length;
    if (length > 4096) throw new KernelError(ERRNO.ENAMETOOLONG, "pass a name to the kernel");
    for (let i = 0; i < length; i++) buffer[i] = name.charCodeAt(i);
    buffer[length] = 0;
    return buffer;
  }
}

/** Two `struct timespec` for `utimensat(2)`, in a buffer that is used again: access and modification. */
export class TimesBuffer {
  readonly #bytes = new Uint8Array(32);
  readonly #view = new DataView(this.#bytes.buffer);

  /** Both times alike: seconds since the epoch (may be negative) and nanoseconds. */
  of(seconds: number, nanoseconds: number): Uint8Array<ArrayBuffer> {
    for (const at of [0, 16]) {
      // 64 bits in two halves: BigInt costs ten times as much.
      this.#view.setUint32(at, seconds % 0x1_0000_0000 >>> 0, true);
      this.#view.setInt32(at + 4, Math.floor(seconds / 0x1_0000_0000), true);
      this.#view.setUint32(at + 8, nanoseconds, true);
    }
    return this.#bytes;
  }
}
