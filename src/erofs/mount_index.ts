/**
 * Mounts an index over the archives that its files lie in. Indexes are never taken from anywhere but from our own writer:
 * the kernel trusts the structure of a file system that root mounts.
 */
import { STATX } from "../linux/statx.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  O_CLOEXEC,
  O_RDONLY,
  STATX_DIOALIGN,
} from "../linux/constants.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { measureVerity } from "./verity.ts";
import { Failure } from "../failure.ts";
import { BLOCK_SIZE } from "./format.ts";
import { loopDevice } from "./loop_device.ts";

/** How this kernel's EROFS gets at files: by itself, or by block devices over them. */
export type MountMethod = "file" | "loop";

/** An index and its archives, as files of the host. */
export interface IndexFiles {
  readonly index: string;
  /** In the order of the tree's devices. */
  readonly devices: readonly string[];
  /** What the kernel's fs-verity says of the index and of each device, where they were sealed. */
  readonly digests?: readonly string[];
}

const ATTRIBUTES = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/**
 * Mounts an index, attached nowhere: read-only, without devices, setuid and programs.
 *
 * @returns a descriptor of the mount, closed on exec; whoever closes it unmounts it, unless it was attached
 * @throws {KernelError}
 */
export function mountIndex(files: IndexFiles, method: MountMethod): number {
  using held = new DisposableStack();
  const fds = [files.index, ...files.devices].map((path) => {
    const fd = syscall(`open ${path}`, "openat", AT_FDCWD, cstring(path), O_RDONLY | O_CLOEXEC, 0);
    held.defer(() => closeDescriptor(fd));
    return fd;
  });
  checkDigests(files, fds);
  const doing = `mount ${files.index}`;
  if (method === "loop") {
    const paths = fds.map((fd) => held.use(loopDevice(fd)).path);
    return succeeded(mounted(paths, false), doing);
  }
  // By descriptors: the kernel takes at most 255 bytes for a path here, and the data directory may be deep.
  const paths = fds.map((fd) => `/proc/self/fd/${fd}`);
  // Where pages are cached for the index's files, they need not be cached for the archive as well.
  const direct = fds.every(takesDirectReads);
  const first = mounted(paths, direct);
  return succeeded(first === -ERRNO.EINVAL && direct ? mounted(paths, false) : first, doing);
}

/** Compares what is mounted with what was stored: from then on the kernel verifies each page that is read. */
function checkDigests({ index, devices, digests }: IndexFiles, fds: readonly number[]): void {
  if (digests === undefined) return;
  [index, ...devices].forEach((path, i) => {
    const fd = fds[i];
    if (fd !== undefined && measureVerity(fd) === digests[i]) return;
    throw new Failure(
      `${path} is not the file that was stored: its fs-verity digest is another one; ` +
        "`rkt image rm` the image and fetch it again",
    );
  });
}

function succeeded(result: number, doing: string): number {
  if (result < 0) throw new KernelError(-result, doing);
  return result;
}

type MountOption = readonly [key: string, value?: string];

/** The mount's descriptor, or the negative error number. */
function mounted([source = "", ...devices]: readonly string[], direct: boolean): number {
  const context = trySyscall("fsopen", cstring("erofs"), FSOPEN_CLOEXEC);
  if (context < 0) return context;
  const options: readonly MountOption[] = [
    ["ro"],
    ["source", source],
    ...devices.map((path): MountOption => ["device", path]),
    ...direct ? [["directio"] as const] : [],
  ];
  try {
    for (const [key, value] of options) {
      const result = value === undefined
        ? trySyscall("fsconfig", context, FSCONFIG_SET_FLAG, cstring(key), 0, 0)
        : trySyscall("fsconfig", context, FSCONFIG_SET_STRING, cstring(key), cstring(value), 0);
      if (result < 0) return result;
    }
    const created = trySyscall("fsconfig", context, FSCONFIG_CMD_CREATE, 0, 0, 0);
    return created < 0 ? created : trySyscall("fsmount", context, FSMOUNT_CLOEXEC, ATTRIBUTES);
  } finally {
    closeDescriptor(context);
  }
}

/**
 * Whether a file can be read directly in blocks of an index. Where it can't, as on disks with sectors of 4096 bytes, a mount
 * would succeed and its reads fail.
 */
function takesDirectReads(fd: number): boolean {
  const status = new Uint8Array(STATX.bytes);
  if (trySyscall("statx", fd, cstring(""), AT_EMPTY_PATH, STATX_DIOALIGN, status) < 0) return false;
  const view = new DataView(status.buffer);
  if ((view.getUint32(STATX.mask, true) & STATX_DIOALIGN) === 0) return false;
  const fits = (align: number) => align > 0 && align <= BLOCK_SIZE;
  return fits(view.getUint32(STATX.memoryAlign, true)) &&
    fits(view.getUint32(STATX.offsetAlign, true));
}
