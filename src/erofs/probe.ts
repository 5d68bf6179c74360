/** Finds out how indexes can be mounted here: that depends on the kernel, and on the file system that they are on. */
import type { TarEntry } from "../aci/tar/entry.ts";
import { O_CLOEXEC, O_RDONLY } from "../linux/constants.ts";
import { KernelError } from "../linux/errno.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { BLOCK_SIZE } from "./format.ts";
import { IndexTarget } from "./index_target.ts";
import { mountIndex, type MountMethod } from "./mount_index.ts";
import { writeIndexFile } from "./write_index_file.ts";

const METHODS: readonly MountMethod[] = ["file", "loop"];
const TEXT = "whether this can be read";
/** `struct vfs_cap_data` of revision 2, with CAP_NET_BIND_SERVICE (include/uapi/linux/capability.h). */
const CAPABILITY = Uint8Array.of(1, 0, 0, 2, 0, 4, ...new Uint8Array(14));

/**
 * Mounts a small index, attached nowhere, and reads a file of it.
 *
 * @param directory an existing directory to make the index in; it stays there
 * @returns undefined where indexes can't be mounted
 */
export function workingMethod(directory: string): MountMethod | undefined {
  const device = `${directory}/device`;
  const archive = new Uint8Array(2 * BLOCK_SIZE);
  archive.set(new TextEncoder().encode(TEXT), BLOCK_SIZE);
  Deno.writeFileSync(device, archive);
  const target = new IndexTarget();
  target.archive("");
  target.create("file", probedFile(TEXT.length, BLOCK_SIZE));
  const index = `${directory}/index`;
  writeIndexFile(target.tree, index, () => device);
  return METHODS.find((method) => works({ index, devices: [device] }, method));
}

function works(files: Parameters<typeof mountIndex>[0], method: MountMethod): boolean {
  try {
    const mount = mountIndex(files, method);
    try {
      return isWhole(mount, "file");
    } finally {
      closeDescriptor(mount);
    }
  } catch (error) {
    if (error instanceof KernelError) return false;
    throw error;
  }
}

/** Whether a file has its content and its capabilities: without `EROFS_FS_SECURITY` the kernel would leave these out. */
function isWhole(directory: number, name: string): boolean {
  const flags = O_RDONLY | O_CLOEXEC;
  const fd = syscall("open the file", "openat", directory, cstring(name), flags, 0);
  const path = `/proc/self/fd/${fd}`;
  const value = new Uint8Array(2 * CAPABILITY.length);
  const attribute = cstring("security.capability");
  try {
    const size = trySyscall("getxattr", cstring(path), attribute, value, value.length);
    return size === CAPABILITY.length && Deno.readTextFileSync(path) === TEXT;
  } catch {
    return false; // it can't be read
  } finally {
    closeDescriptor(fd);
  }
}

/** A file of a small index, with capabilities. */
export function probedFile(size: number, dataOffset: number): TarEntry {
  return {
    kind: "file",
    path: "",
    link: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: 0,
    mtimeNs: 0,
    major: 0,
    minor: 0,
    xattrs: new Map([["security.capability", CAPABILITY]]),
    sparse: false,
    offset: 0,
    dataOffset,
  };
}
