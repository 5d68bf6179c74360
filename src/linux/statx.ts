import { AT_SYMLINK_NOFOLLOW, STATX_ATTR_MOUNT_ROOT } from "./constants.ts";
import { trySyscall } from "./syscall.ts";

/**
 * Offsets of the fields of `struct statx`, and its size, in bytes (include/uapi/linux/stat.h). A time has seconds in eight
 * bytes and nanoseconds in the next four. Device numbers have a major and a minor of four bytes each.
 */
export const STATX = {
  mask: 0,
  attributes: 8,
  links: 16,
  uid: 20,
  gid: 24,
  mode: 28,
  inode: 32,
  size: 40,
  /** Of 512 bytes each. */
  blocks: 48,
  changed: 96,
  modified: 112,
  /** The device that a node stands for. */
  rdev: 128,
  /** The device that the file is on. */
  device: 136,
  /** Alignments of direct I/O, since Linux 6.1. */
  memoryAlign: 152,
  offsetAlign: 156,
  bytes: 256,
} as const;

const status = new Uint8Array(STATX.bytes);

/** Whether a name in a directory is where something is mounted (since Linux 5.8). A link is not followed. */
export function isMountPoint(directory: number, name: Uint8Array<ArrayBuffer>): boolean {
  if (trySyscall("statx", directory, name, AT_SYMLINK_NOFOLLOW, 0, status) < 0) return false;
  const attributes = new DataView(status.buffer).getUint32(STATX.attributes, true);
  return (attributes & STATX_ATTR_MOUNT_ROOT) !== 0;
}
