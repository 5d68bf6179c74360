import { AT_FDCWD, O_CLOEXEC, O_PATH } from "../../src/linux/constants.ts";
import { KernelError } from "../../src/linux/errno.ts";
import { closeDescriptor } from "../../src/linux/lock.ts";
import { cstring, trySyscall } from "../../src/linux/syscall.ts";

/**
 * Calls a function of the runtime's with a path that may have bytes that are no UTF-8 (`textOfBytes()`), which the runtime
 * itself can't name: it gets another name of the same object then.
 *
 * @throws {KernelError} the path names nothing
 */
export function byDescriptor<T>(path: string, use: (path: string) => T): T {
  if (path.isWellFormed()) return use(path);
  const fd = trySyscall("openat", AT_FDCWD, cstring(path), O_PATH | O_CLOEXEC, 0);
  if (fd < 0) throw new KernelError(-fd, `open ${path}`);
  try {
    return use(`/proc/self/fd/${fd}`);
  } finally {
    closeDescriptor(fd);
  }
}
