/**
 * Directories and files as locks: flock(2). Such a lock belongs to the open file description, so it
 * is inherited through `execve` together with its descriptor, and the kernel drops it when the last
 * descriptor is closed: the death of its owner, however it comes, is its release.
 */
import { ERRNO, KernelError } from "./errno.ts";
import { cstring, syscall, trySyscall } from "./syscall.ts";
import {
  AT_FDCWD,
  F_SETFD,
  FD_CLOEXEC,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDWR,
} from "./early_constants.ts";

/**
 * Opens a directory that is not a symbolic link.
 *
 * @returns the descriptor, closed on exec, or the negative error number
 */
export function tryOpenDirectory(path: string): number {
  const flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  return trySyscall("openat", AT_FDCWD, cstring(path), flags, 0);
}

/**
 * Opens a directory that may have gone.
 *
 * @returns the descriptor, closed on exec; undefined where there is no such directory
 * @throws {KernelError} for every other reason: too many open files are no proof that nothing is there
 */
export function openDirectoryIfThere(path: string): number | undefined {
  const fd = tryOpenDirectory(path);
  if (fd >= 0) return fd;
  if (fd === -ERRNO.ENOENT || fd === -ERRNO.ENOTDIR) return undefined;
  throw new KernelError(-fd, `open ${path}`);
}

/** Like {@linkcode tryOpenDirectory}, but insists. Throws {@linkcode KernelError}. */
export function openDirectory(path: string): number {
  const fd = tryOpenDirectory(path);
  if (fd < 0) throw new KernelError(-fd, `open ${path}`);
  return fd;
}

/** Opens a file that serves as a lock and makes it (0600) where it does not exist. */
export function openLockFile(path: string): number {
  const flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  return syscall(`open lock ${path}`, "openat", AT_FDCWD, cstring(path), flags, 0o600);
}

/** Opens a file that exists already, for nothing but locking it. Throws {@linkcode KernelError}. */
export function openToLock(path: string): number {
  const flags = O_CLOEXEC | O_NOFOLLOW;
  return syscall(`open ${path}`, "openat", AT_FDCWD, cstring(path), flags, 0);
}

/** Closes a descriptor, and with it the lock that was taken through it. */
export function closeDescriptor(fd: number): void {
  trySyscall("close", fd);
}

/** Chooses whether a descriptor is closed by `execve`. */
export function setCloseOnExec(fd: number, on: boolean): void {
  syscall("set FD_CLOEXEC", "fcntl", fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

function flock(fd: number, operation: number, what: string): boolean {
  while (true) {
    const result = trySyscall("flock", fd, operation);
    if (result === 0) return true;
    if (result === -ERRNO.EAGAIN) return false;
    if (result !== -ERRNO.EINTR) throw new KernelError(-result, `lock ${what}`);
  }
}

/** Waits for a shared lock: until nobody holds it exclusively. */
export function lockShared(fd: number, what: string): void {
  flock(fd, LOCK_SH, what);
}

/** Takes a shared lock. Returns false where somebody holds it exclusively. */
export function tryLockShared(fd: number, what: string): boolean {
  return flock(fd, LOCK_SH | LOCK_NB, what);
}

/** Waits for the exclusive lock. */
export function lockExclusive(fd: number, what: string): void {
  flock(fd, LOCK_EX, what);
}

/**
 * Takes the exclusive lock. Returns false where somebody else holds it exclusively.
 *
 * Who only looks whether a lock is held takes it shared for some microseconds. That must not look
 * like an owner, so while there are only such holders this tries again.
 */
export function tryLockExclusive(fd: number, what: string): boolean {
  while (!flock(fd, LOCK_EX | LOCK_NB, what)) {
    if (!flock(fd, LOCK_SH | LOCK_NB, what)) return false;
  }
  return true;
}
