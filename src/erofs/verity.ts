/**
 * fs-verity: a file that can't be written any more, whose pages the kernel compares with a tree of hashes as they are read
 * (Documentation/filesystems/fsverity.rst; include/uapi/linux/fsverity.h).
 */
import { ERRNO } from "../linux/errno.ts";
import { trySyscall } from "../linux/syscall.ts";

/** `_IOW('f', 133, struct fsverity_enable_arg)`. */
const FS_IOC_ENABLE_VERITY = 0x4080_6685;
/** `_IOWR('f', 134, struct fsverity_digest)`. */
const FS_IOC_MEASURE_VERITY = 0xc004_6686;
const FS_VERITY_HASH_ALG_SHA256 = 1;
/** `struct fsverity_enable_arg`. */
const ENABLE = { bytes: 128, version: 0, algorithm: 4, blockSize: 8 } as const;
/** `struct fsverity_digest`, and the longest digest. */
const DIGEST = { head: 4, size: 2, longest: 64 } as const;

/**
 * Makes a file one that the kernel verifies, for ever.
 *
 * @param fd open for reading; nobody has it open for writing
 * @returns whether it is one now: not every file system can do that
 */
export function enableVerity(fd: number): boolean {
  const argument = new Uint8Array(ENABLE.bytes);
  const view = new DataView(argument.buffer);
  view.setUint32(ENABLE.version, 1, true);
  view.setUint32(ENABLE.algorithm, FS_VERITY_HASH_ALG_SHA256, true);
  view.setUint32(ENABLE.blockSize, 4096, true);
  const result = trySyscall("ioctl", fd, FS_IOC_ENABLE_VERITY, argument);
  return result === 0 || result === -ERRNO.EEXIST;
}

/** The digest of an open file that the kernel verifies: algorithm and hexadecimal digits; undefined of any other file. */
export function measureVerity(fd: number): string | undefined {
  const digest = new Uint8Array(DIGEST.head + DIGEST.longest);
  const view = new DataView(digest.buffer);
  view.setUint16(DIGEST.size, DIGEST.longest, true);
  if (trySyscall("ioctl", fd, FS_IOC_MEASURE_VERITY, digest) < 0) return undefined;
  const size = view.getUint16(DIGEST.size, true);
  return `${view.getUint16(0, true)}:${digest.subarray(DIGEST.head, DIGEST.head + size).toHex()}`;
}
