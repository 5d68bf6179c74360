/** Loop devices: files as block devices, for kernels whose EROFS takes nothing else (loop(4)). */
import {
  AT_FDCWD,
  LO_FLAGS_AUTOCLEAR,
  LO_FLAGS_DIRECT_IO,
  LO_FLAGS_READ_ONLY,
  LOOP_CONFIGURE,
  LOOP_CTL_GET_FREE,
  O_CLOEXEC,
  O_RDONLY,
  O_RDWR,
} from "../linux/constants.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";

/** `struct loop_config` (include/uapi/linux/loop.h): its size, and where its fields are. */
const CONFIG = { size: 304, fd: 0, flags: 8 + 52 } as const;

/** Others look for a free device too: the one that was found may be taken by now. */
const MAX_ATTEMPTS = 64;

/** A device over a file. The kernel takes it down when nobody uses it any more: this, and what is mounted over it. */
export interface LoopDevice extends Disposable {
  readonly path: string;
}

/**
 * Makes a read-only device of a file that is open.
 *
 * @throws {KernelError} where there are no loop devices here
 */
export function loopDevice(file: number): LoopDevice {
  const path = "/dev/loop-control";
  const control = syscall(`open ${path}`, "openat", AT_FDCWD, cstring(path), O_RDWR | O_CLOEXEC, 0);
  try {
    for (let i = 0; i < MAX_ATTEMPTS; i++) {
      const number = syscall("find a loop device", "ioctl", control, LOOP_CTL_GET_FREE, 0);
      const device = configured(`/dev/loop${number}`, file);
      if (device !== undefined) return device;
    }
  } finally {
    closeDescriptor(control);
  }
  throw new KernelError(ERRNO.EBUSY, "find a loop device");
}

/** Undefined where somebody else was faster. */
function configured(path: string, file: number): LoopDevice | undefined {
  const fd = syscall(`open ${path}`, "openat", AT_FDCWD, cstring(path), O_RDONLY | O_CLOEXEC, 0);
  const flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
  // Without direct I/O every page would be cached twice; not every file system has it.
  let result = configure(fd, file, flags | LO_FLAGS_DIRECT_IO);
  if (result === -ERRNO.EINVAL) result = configure(fd, file, flags);
  if (result === 0) return { path, [Symbol.dispose]: () => closeDescriptor(fd) };
  closeDescriptor(fd);
  if (result === -ERRNO.EBUSY) return undefined;
  throw new KernelError(-result, `make ${path} of a file`);
}

function configure(fd: number, file: number, flags: number): number {
  const config = new Uint8Array(CONFIG.size);
  const view = new DataView(config.buffer);
  view.setUint32(CONFIG.fd, file, true);
  view.setUint32(CONFIG.flags, flags, true);
  return trySyscall("ioctl", fd, LOOP_CONFIGURE, config);
}
