/** What the root directory of an image is: the layer that a pod writes to has to be the same, because overlayfs shows it. */
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS } from "../../linux/early_constants.ts";
import { cstring, syscall, trySyscall } from "../../linux/syscall.ts";
import { STATX } from "../../linux/statx.ts";
import type { ExtendedAttribute } from "../../../stage1/pod.ts";

/** Mode, owner and extended attributes of a directory. */
export interface RootAttributes {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly attributes: readonly ExtendedAttribute[];
}

/** What a root directory is where the image says nothing. */
export const PLAIN_ROOT: RootAttributes = { mode: 0o755, uid: 0, gid: 0, attributes: [] };

/** `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` (include/uapi/linux/limits.h). */
const MOST_BYTES = 65_536;

/** Looks at the root directory of a rendered tree, which does not change any more. */
export function rootAttributes(rootfs: string): RootAttributes {
  const path = cstring(rootfs);
  const status = new Uint8Array(STATX.bytes);
  const doing = `look at ${rootfs}`;
  syscall(doing, "statx", AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, status);
  const view = new DataView(status.buffer);
  return {
    mode: view.getUint16(STATX.mode, true) & 0o7777,
    uid: view.getUint32(STATX.uid, true),
    gid: view.getUint32(STATX.gid, true),
    attributes: attributesOf(path),
  };
}

/** Those that images can have on a directory; others are the file system's own. */
function attributesOf(path: Uint8Array): readonly ExtendedAttribute[] {
  // Mostly there is none, and then this is all that is asked.
  if (trySyscall("listxattr", path, 0, 0) <= 0) return [];
  const list = new Uint8Array(MOST_BYTES);
  const size = trySyscall("listxattr", path, list, list.length);
  const names = new TextDecoder().decode(list.subarray(0, Math.max(size, 0))).split("\0");
  return names.filter((name) => name.startsWith("user.")).flatMap((name) => {
    const value = new Uint8Array(MOST_BYTES);
    const length = trySyscall("getxattr", path, cstring(name), value, value.length);
    return length < 0 ? [] : [{ name, value: value.slice(0, length) }];
  });
}
