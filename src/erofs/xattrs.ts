/** Extended attributes of an entry, as an inode of an index has them. */
import type { TarEntry } from "../aci/tar/entry.ts";
import { bytesOf, type ByteString } from "../linux/byte_string.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { EROFS_XATTR_INDEX_SECURITY, EROFS_XATTR_INDEX_USER, XATTR } from "./format.ts";

/** Longest name and value (include/uapi/linux/limits.h: XATTR_NAME_MAX, XATTR_SIZE_MAX). */
const MAX_NAME = 255;
const MAX_VALUE = 65_536;

const CAPABILITY = "security.capability";

/**
 * The attributes of an entry that a tree keeps, as `TreeWriter` does: of files and directories alone; file capabilities
 * and the user's own, but none that would steer an overlay that is mounted over the tree.
 *
 * @returns the bytes behind the inode, a multiple of four; undefined where there are none
 * @throws {KernelError} for what fsetxattr(2) refuses
 */
export function inodeXattrs({ kind, xattrs }: TarEntry): Uint8Array | undefined {
  if (xattrs.size === 0 || (kind !== "file" && kind !== "directory")) return undefined;
  const kept = [...xattrs].filter(([name]) =>
    name === CAPABILITY
      ? kind === "file"
      : name.startsWith("user.") && !name.startsWith("user.overlay.")
  );
  if (kept.length === 0) return undefined;
  for (const [name, value] of kept) check(name, value);
  const size = kept.reduce((sum, [name, value]) => sum + entrySize(name, value), 0);
  const bytes = new Uint8Array(XATTR.header + size);
  const view = new DataView(bytes.buffer);
  let at: number = XATTR.header;
  for (const [name, value] of kept) {
    const [prefix, rest] = split(name);
    bytes[at + XATTR.nameLength] = rest.length;
    bytes[at + XATTR.prefix] = prefix;
    view.setUint16(at + XATTR.valueSize, value.length, true);
    bytes.set(bytesOf(rest), at + XATTR.entry);
    bytes.set(value, at + XATTR.entry + rest.length);
    at += entrySize(name, value);
  }
  return bytes;
}

function split(name: ByteString): readonly [prefix: number, rest: ByteString] {
  return name === CAPABILITY
    ? [EROFS_XATTR_INDEX_SECURITY, "capability"]
    : [EROFS_XATTR_INDEX_USER, name.slice("user.".length)];
}

function entrySize(name: ByteString, value: Uint8Array): number {
  return XATTR.entry + split(name)[1].length + value.length + 3 & ~3;
}

function check(name: ByteString, value: Uint8Array): void {
  const refuse = (errno: number): never => {
    throw new KernelError(errno, `set its attribute ${name}`);
  };
  if (name.includes("\0") || name === "user.") refuse(ERRNO.EINVAL);
  if (name.length > MAX_NAME) refuse(ERRNO.ERANGE);
  if (value.length > MAX_VALUE) refuse(ERRNO.E2BIG);
  if (name === CAPABILITY && !isCapability(value)) refuse(ERRNO.EINVAL);
}

/** Sizes of `struct vfs_cap_data` and `vfs_ns_cap_data` by their revision (include/uapi/linux/capability.h). */
const CAPABILITY_SIZES: Readonly<Record<number, number>> = { 2: 20, 3: 24 };

function isCapability(value: Uint8Array): boolean {
  return value.length > 3 && CAPABILITY_SIZES[value[3] ?? 0] === value.length;
}
