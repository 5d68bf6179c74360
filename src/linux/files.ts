/**
 * System calls on files, typed, for code that makes thousands of them: extraction and building of
 * images. Loading costs 0.3 ms a symbol, so it is done once and only when {@linkcode fileCalls} is called.
 */
import { ERRNO, KernelError } from "./errno.ts";

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

/** The calls, as libc has them, but for `openat2` and `mknodat`, which take {@linkcode NR} first. */
export type FileCalls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let loaded: FileCalls | undefined;

/** The calls; loaded once. All return -1 on failure; read {@linkcode lastErrno} at once then. */
export function fileCalls(): FileCalls {
  loadErrno();
  return loaded ??= Deno.dlopen("libc.so.6", SYMBOLS).symbols;
}

const READING_SYMBOLS = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "u32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  flistxattr: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  fgetxattr: { parameters: ["i32", "buffer", "buffer", "u32"], result: "i32" },
  // glibc has it only since 2.30.
  getdents64: { name: "syscall", parameters: ["i32", "i32", "buffer", "u32"], result: "i32" },
} as const;

/** The calls that read trees, as libc has them, but for `getdents64`, which takes {@linkcode NR} first. */
export type ReadingCalls = Deno.DynamicLibrary<typeof READING_SYMBOLS>["symbols"];

let loadedForReading: ReadingCalls | undefined;

/** The calls that read trees; loaded once. All return -1 on failure, as those of {@linkcode fileCalls}. */
export function readingCalls(): ReadingCalls {
  loadErrno();
  return loadedForReading ??= Deno.dlopen("libc.so.6", READING_SYMBOLS).symbols;
}

const ERRNO_SYMBOL = {
  errno: { name: "__errno_location", parameters: [], result: "pointer" },
} as const;

let errnoView: Deno.UnsafePointerView | undefined;

/**
 * To be called before the first call that may fail: loading a library changes errno. Its place in memory is the
 * same for all calls of a thread.
 */
export function loadErrno(): void {
  if (errnoView !== undefined) return;
  const location = Deno.dlopen("libc.so.6", ERRNO_SYMBOL).symbols.errno();
  if (location !== null) errnoView = new Deno.UnsafePointerView(location);
}

/** The error number of the call that has just failed. */
export function lastErrno(): number {
  return errnoView?.getInt32() ?? 0;
}

/** The error of the call that has just failed. */
export function lastError(doing: string): KernelError {
  return new KernelError(lastErrno(), doing);
}

/** Numbers for what libc may lack (arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h). */
export const NR = {
  openat2: 437,
  mknodat: Deno.build.arch === "aarch64" ? 33 : 259,
  getdents64: Deno.build.arch === "aarch64" ? 61 : 217,
} as const;

/** Bytes of `struct open_how`. */
export const OPEN_HOW_SIZE = 24;

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
