/** What is in a directory, as the kernel says it: getdents64(2). */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY } from "./early_constants.ts";
import { ERRNO } from "./errno.ts";
import { cstring, trySyscall } from "./syscall.ts";

/** The most bytes of entries: some thousand names. */
const MOST = 0x20000;

/** `struct linux_dirent64`: inode, offset, length of the entry, type, name. */
const ENTRY = { length: 16, name: 19 } as const;

/**
 * The entries of a directory.
 *
 * @returns the bytes; or the negative error number, E2BIG where there are too many
 */
export function directoryEntries(path: string): Uint8Array<ArrayBuffer> | number {
  const fd = trySyscall("openat", AT_FDCWD, cstring(path), O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  const bytes = new Uint8Array(MOST);
  const size = trySyscall("getdents64", fd, bytes, bytes.length);
  const more = size > 0 ? trySyscall("getdents64", fd, new Uint8Array(0x1000), 0x1000) : 0;
  trySyscall("close", fd);
  if (size < 0) return size;
  if (more < 0) return more;
  return more === 0 ? bytes.slice(0, size) : -ERRNO.E2BIG;
}

/** The names in {@linkcode directoryEntries}, but for `.` and `..`. */
export function entryNames(bytes: Uint8Array<ArrayBuffer>): readonly string[] {
  const view = new DataView(bytes.buffer);
  const names: string[] = [];
  for (let at = 0; at < bytes.length; at += view.getUint16(at + ENTRY.length, true)) {
    const end = bytes.indexOf(0, at + ENTRY.name);
    const name = new TextDecoder().decode(bytes.subarray(at + ENTRY.name, end));
    if (name !== "." && name !== "..") names.push(name);
  }
  return names;
}
