/**
 * System calls by number, through libc's `syscall(2)`.
 *
 * Each FFI symbol costs 0.3 ms when it is loaded, because Deno compiles a trampoline for it. So what lies on the way
 * of `rkt run` goes through one, and only code that makes thousands of calls loads typed symbols of its own.
 *
 * Between a call and the look at errno nothing may be allocated: a garbage collection in between makes system calls of
 * its own, and errno is then theirs. That is why the result is an `i32`, which needs no memory, and why the place
 * of errno is asked for once, by a symbol whose result is a structure: for such Deno compiles nothing.
 */
import { KernelError } from "./errno.ts";
import { bytesOfText } from "./bytes.ts";

// arch/x86/entry/syscalls/syscall_64.tbl
// deno-fmt-ignore
const X86_64 = {
  close: 3, lseek: 8, munmap: 11, fcntl: 72, flock: 73, ioctl: 16, memfd_create: 319,
  openat: 257, openat2: 437, execveat: 322, kill: 62, pidfd_open: 434, pidfd_getfd: 438, pidfd_send_signal: 424,
  umount2: 166, capget: 125, write: 1, ppoll: 271, prlimit64: 302, faccessat2: 439,
  rt_sigprocmask: 14, umask: 95, fsync: 74, statx: 332, renameat2: 316,
  mkdirat: 258, unlinkat: 263, dup3: 292, close_range: 436, pwrite64: 18, syncfs: 306, readlinkat: 267,
  getdents64: 217, utimensat: 280, getxattr: 191, listxattr: 194, setxattr: 188, wait4: 61, open_tree: 428, mount_setattr: 442,
  move_mount: 429, fsopen: 430, fsconfig: 431, fsmount: 432,
  socket: 41, bind: 49, sendto: 44, recvfrom: 45, setsockopt: 54, setns: 308, unshare: 272,
  listen: 50, accept4: 288, getsockopt: 55, getsockname: 51, eventfd2: 290, clock_getres: 229, mknodat: 259, fchownat: 260, connect: 42,
  io_uring_setup: 425, io_uring_register: 427,
};

// include/uapi/asm-generic/unistd.h
// deno-fmt-ignore
const AARCH64: typeof X86_64 = {
  close: 57, lseek: 62, munmap: 215, fcntl: 25, flock: 32, ioctl: 29, memfd_create: 279,
  openat: 56, openat2: 437, execveat: 281, kill: 129, pidfd_open: 434, pidfd_getfd: 438, pidfd_send_signal: 424,
  umount2: 39, capget: 90, write: 64, ppoll: 73, prlimit64: 261, faccessat2: 439,
  rt_sigprocmask: 135, umask: 166, fsync: 82, statx: 291, renameat2: 276,
  mkdirat: 34, unlinkat: 35, dup3: 24, close_range: 436, pwrite64: 68, syncfs: 267, readlinkat: 78,
  getdents64: 61, utimensat: 88, getxattr: 8, listxattr: 11, setxattr: 5, wait4: 260, open_tree: 428, mount_setattr: 442,
  move_mount: 429, fsopen: 430, fsconfig: 431, fsmount: 432,
  socket: 198, bind: 200, sendto: 206, recvfrom: 207, setsockopt: 208, setns: 268, unshare: 97,
  listen: 201, accept4: 242, getsockopt: 209, getsockname: 204, eventfd2: 19, clock_getres: 114, mknodat: 33, fchownat: 54, connect: 203,
  io_uring_setup: 425, io_uring_register: 427,
};

const NUMBERS = Deno.build.arch === "aarch64" ? AARCH64 : X86_64;

/** A system call that this module knows by name. */
export type SyscallName = keyof typeof NUMBERS;

type Word = number | bigint | Uint8Array;

const libc = Deno.dlopen("libc.so.6", {
  syscall: {
    parameters: ["i32", "usize", "usize", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  __errno_location: { parameters: [], result: { struct: ["u64"] } },
}).symbols;

/** errno of this thread: its place does not change. */
const errno = errnoView();

function errnoView(): Deno.UnsafePointerView {
  const place = new DataView(libc.__errno_location().buffer).getBigUint64(0, true);
  const pointer = Deno.UnsafePointer.create(place);
  if (pointer === null) throw new Error("libc has no errno");
  return new Deno.UnsafePointerView(pointer);
}

function word(value: Word): bigint {
  if (value === 0) return 0n;
  if (typeof value === "number") {
    return value > 0 ? BigInt(value) : BigInt.asUintN(64, BigInt(value));
  }
  if (typeof value === "bigint") return BigInt.asUintN(64, value);
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(value as Uint8Array<ArrayBuffer>));
}

/**
 * Makes a system call. A buffer is passed as its address and must stay referenced until the kernel is done with it.
 *
 * @returns the call's result as an `int`, or the negative error number
 */
export function trySyscall(
  name: SyscallName,
  a: Word = 0,
  b: Word = 0,
  c: Word = 0,
  d: Word = 0,
  e: Word = 0,
  f: Word = 0,
): number {
  const nr = NUMBERS[name];
  const u = word(a), v = word(b), w = word(c), x = word(d), y = word(e), z = word(f);
  const call = () => orErrno(libc.syscall(nr, u, v, w, x, y, z));
  return NEVER_AGAIN.has(name) ? unlessAgain(call) : call();
}

/** Calls about paths: EAGAIN is no answer of theirs, and one that has failed has done nothing. */
// deno-fmt-ignore
const NEVER_AGAIN: ReadonlySet<SyscallName> = new Set([
  "openat2", "openat", "statx", "readlinkat", "faccessat2", "getxattr", "mkdirat", "unlinkat", "renameat2",
]);

/** The error number EAGAIN, and how often a call that gets it is made once more. */
const EAGAIN = 11;
const TRIES = 8;

/**
 * Makes a call once more where it says EAGAIN. openat2(2) does where something was renamed or mounted while it followed a
 * `..`; and V8's own threads, which wait by futex(2), now and then leave theirs in errno before it is read.
 */
export function unlessAgain(call: () => number): number {
  let result = call();
  for (let i = 0; i < TRIES && result === -EAGAIN; i++) result = call();
  return result;
}

/**
 * For the results of libc's functions, which are -1 on failure: the result, or the negative error number. To be called
 * on the result of the call itself, `orErrno(libc.openat(…))`, so that nothing comes between.
 */
export function orErrno(result: number): number {
  return result === -1 ? -errno.getInt32() : result;
}

/**
 * Makes a system call and insists that it succeeds.
 *
 * @param doing what it is for, in words: `lock pod directory /var/lib/rkt/pods/run/…`
 * @throws {KernelError}
 */
export function syscall(
  doing: string,
  name: SyscallName,
  ...args: readonly [Word?, Word?, Word?, Word?, Word?, Word?]
): number {
  const result = trySyscall(name, ...args);
  if (result < 0) throw new KernelError(-result, doing);
  return result;
}

/** The bytes of a path or name with the NUL that the kernel wants. Throws on a NUL inside. */
export function cstring(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`${JSON.stringify(text)} contains a NUL byte`);
  return bytesOfText(text + "\0");
}
