/**
 * Errors of the Linux kernel: `include/uapi/asm-generic/errno*.h` (alike on x86_64 and aarch64).
 *
 * The rule for errors of system calls:
 *
 * - **Who makes one.** A function of this folder either returns the call's result or the negative error number (`trySyscall`,
 *   `tryOpenDirectory`, the calls of files.ts), or throws a {@linkcode KernelError} with that number (`syscall`,
 *   `openDirectory`). Nothing returns -1, and nobody else reads errno: `orErrno` in syscall.ts does, on the result of
 *   the call itself. Names and buffers are made before the call, because what is allocated in between can start a garbage
 *   collection, whose system calls overwrite errno.
 * - **Who adds to it.** Whoever knows more makes a `Failure` of it (src/failure.ts) that names the image, pod or file, with
 *   the `KernelError` as its `cause`. A number that is no failure where it occurs (ENOENT of what may be missing) is handled
 *   there and goes no further.
 * - **Who prints it.** The command line alone, one line. No library writes to stderr.
 * - **Clean-up never changes the first error.** What closes, unmounts or deletes on the way out ignores its own results, or
 *   reports what it left (`deleteTree`); it does not throw over an error that is under way.
 */

// deno-fmt-ignore
const ERRORS = (): readonly (readonly [number, string, string])[] => [
  [1, "EPERM", "operation not permitted"], [2, "ENOENT", "no such file or directory"],
  [3, "ESRCH", "no such process"], [4, "EINTR", "interrupted system call"],
  [5, "EIO", "input/output error"], [6, "ENXIO", "no such device or address"],
  [7, "E2BIG", "argument list too long"], [8, "ENOEXEC", "not an executable this machine can run"],
  [9, "EBADF", "bad file descriptor"], [10, "ECHILD", "no child processes"],
  [11, "EAGAIN", "resource temporarily unavailable"], [12, "ENOMEM", "cannot allocate memory"],
  [13, "EACCES", "permission denied"], [14, "EFAULT", "bad address"],
  [15, "ENOTBLK", "block device required"], [16, "EBUSY", "device or resource busy"],
  [17, "EEXIST", "file exists"], [18, "EXDEV", "crosses a mount or file system"],
  [19, "ENODEV", "no such device or file system type"], [20, "ENOTDIR", "not a directory"],
  [21, "EISDIR", "is a directory"], [22, "EINVAL", "invalid argument"],
  [23, "ENFILE", "too many open files in the system"], [24, "EMFILE", "too many open files"],
  [25, "ENOTTY", "not a terminal"], [26, "ETXTBSY", "text file busy"],
  [27, "EFBIG", "file too large"], [28, "ENOSPC", "no space left on device"],
  [29, "ESPIPE", "illegal seek"], [30, "EROFS", "read-only file system"],
  [31, "EMLINK", "too many links"], [32, "EPIPE", "broken pipe"],
  [33, "EDOM", "argument out of domain"], [34, "ERANGE", "result out of range"],
  [35, "EDEADLK", "would deadlock"], [36, "ENAMETOOLONG", "file name too long"],
  [37, "ENOLCK", "no locks available"], [38, "ENOSYS", "this kernel or a filter has no such call"],
  [39, "ENOTEMPTY", "directory not empty"], [40, "ELOOP", "a symbolic link where none may be"],
  [61, "ENODATA", "no data available"], [62, "ETIME", "timer expired"],
  [75, "EOVERFLOW", "value too large"], [84, "EILSEQ", "illegal byte sequence"],
  [87, "EUSERS", "too many users"], [88, "ENOTSOCK", "not a socket"],
  [90, "EMSGSIZE", "message too long"], [93, "EPROTONOSUPPORT", "protocol not supported"],
  [95, "EOPNOTSUPP", "operation not supported"], [97, "EAFNOSUPPORT", "address family not supported"],
  [98, "EADDRINUSE", "address already in use"], [99, "EADDRNOTAVAIL", "address not available"],
  [100, "ENETDOWN", "network is down"], [101, "ENETUNREACH", "network unreachable"],
  [104, "ECONNRESET", "connection reset"], [105, "ENOBUFS", "no buffer space available"],
  [106, "EISCONN", "already connected"], [107, "ENOTCONN", "not connected"],
  [110, "ETIMEDOUT", "timed out"], [111, "ECONNREFUSED", "connection refused"],
  [113, "EHOSTUNREACH", "no route to host"], [114, "EALREADY", "already in progress"],
  [115, "EINPROGRESS", "in progress"], [116, "ESTALE", "stale file handle"],
  [117, "EUCLEAN", "file system needs repair"], [122, "EDQUOT", "disk quota exceeded"],
  [125, "ECANCELED", "cancelled"], [126, "ENOKEY", "required key not available"],
];

/** The largest error number that the kernel returns (`MAX_ERRNO`, include/linux/err.h, is 4095). */
export const LAST_ERRNO = 133;

/** The header's name of an error number: `ENOENT` for 2, `errno 77` where we have none. */
export function errnoName(errno: number): string {
  return ERRORS().find((e) => e[0] === errno)?.[1] ?? `errno ${errno}`;
}

/** The error as people read it: `ENOENT (no such file or directory)`. */
export function errnoText(errno: number): string {
  const known = ERRORS().find((e) => e[0] === errno);
  return known === undefined ? `errno ${errno}` : `${known[1]} (${known[2]})`;
}

/** The numbers that code compares with, by the header's name. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENXIO: 6,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ERESTART: 85,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  ENOBUFS: 105,
  EADDRINUSE: 98,
  EDQUOT: 122,
} as const;

/** A system call failed. */
export class KernelError extends Error {
  override readonly name: string = "KernelError";

  /**
   * @param errno the positive error number
   * @param doing what was attempted, like `open /etc/passwd`
   */
  constructor(readonly errno: number, readonly doing: string) {
    super(`${doing}: ${errnoText(errno)}`);
  }

  /** The header's name of the error, like `ENOENT`. */
  get code(): string {
    return errnoName(this.errno);
  }
}
