/** Finds out how indexes can be mounted here: that depends on the kernel, and on the file system that they are on. */
import type { TarEntry } from "../aci/tar/entry.ts";
import { O_CLOEXEC, O_RDONLY } from "../linux/constants.ts";
import { KernelError } from "../linux/errno.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { cstring, syscall } from "../linux/syscall.ts";
import { BLOCK_SIZE } from "./format.ts";
import { IndexTarget } from "./index_target.ts";
import { mountIndex, type MountMethod } from "./mount_index.ts";
import { writeIndexFile } from "./write_index_file.ts";

const METHODS: readonly MountMethod[] = ["file", "loop"];
const TEXT = "whether this can be read";

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
  target.create("file", file(TEXT.length, BLOCK_SIZE));
  const index = `${directory}/index`;
  writeIndexFile(target.tree, index, () => archive.length);
  return METHODS.find((method) => works({ index, devices: [device] }, method));
}

function works(files: Parameters<typeof mountIndex>[0], method: MountMethod): boolean {
  try {
    const mount = mountIndex(files, method);
    try {
      return readFile(mount, "file") === TEXT;
    } finally {
      closeDescriptor(mount);
    }
  } catch (error) {
    if (error instanceof KernelError) return false;
    throw error;
  }
}

function readFile(directory: number, name: string): string {
  const flags = O_RDONLY | O_CLOEXEC;
  const fd = syscall("open the file", "openat", directory, cstring(name), flags, 0);
  try {
    return Deno.readTextFileSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // it can't be read, so this does not work
  } finally {
    closeDescriptor(fd);
  }
}

function file(size: number, dataOffset: number): TarEntry {
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
    xattrs: new Map(),
    sparse: false,
    offset: 0,
    dataOffset,
  };
}
