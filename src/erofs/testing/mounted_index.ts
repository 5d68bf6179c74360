/** Trees for tests: an index that is mounted, and what can be seen of a tree. */
import { type ImageNode, layersOf, mergeLayers } from "../../aci/render.ts";
import { type ByteString, byteStringOfText, shown } from "../../linux/byte_string.ts";
import { AT_FDCWD, MNT_DETACH, MOVE_MOUNT_F_EMPTY_PATH } from "../../linux/constants.ts";
import { DirectoryReader, type FileStatus } from "../../linux/directory_reader.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import { cstring, syscall } from "../../linux/syscall.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../linux/constants.ts";
import { IndexTarget } from "../index_target.ts";
import type { IndexTree } from "../index_tree.ts";
import { mountIndex, type MountMethod } from "../mount_index.ts";
import { writeIndex } from "../write_index.ts";

/** An image and the bytes of its archive. */
export interface TestImage extends ImageNode {
  readonly bytes: Uint8Array;
  readonly dependencies: readonly TestImage[];
}

/** Merges an image and those below it into a tree. */
export async function mergedTree(image: ImageNode): Promise<IndexTree> {
  const target = new IndexTarget();
  await mergeLayers(layersOf(image), target, { rootfsOnly: true });
  return target.tree;
}

/** The bytes of a tree's index over archives, by their IDs. */
export function indexBytes(
  tree: IndexTree,
  archive: (id: string) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const archives = {
    size: (id: string) => archive(id).length,
    read: (id: string, from: number, length: number) => archive(id).subarray(from, from + length),
  };
  writeIndex(tree, archives, (bytes) => parts.push(bytes.slice()));
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Writes a tree's index and its archives to a directory, and mounts it there.
 *
 * @returns where it is mounted; disposing unmounts it
 */
export function mountTree(
  tree: IndexTree,
  archives: ReadonlyMap<string, Uint8Array>,
  directory: string,
  method: MountMethod = "file",
): { readonly path: string } & Disposable {
  const archive = (id: string) => archives.get(id) ?? new Uint8Array();
  const devices = tree.devices.map(({ id }, i) => {
    const path = `${directory}/${i}`;
    Deno.writeFileSync(path, archive(id));
    return path;
  });
  const index = `${directory}/index`;
  Deno.writeFileSync(index, indexBytes(tree, archive));
  const path = `${directory}/mounted`;
  Deno.mkdirSync(path, { recursive: true });
  const mount = mountIndex({ index, devices }, method);
  const flags = MOVE_MOUNT_F_EMPTY_PATH;
  syscall("attach", "move_mount", mount, cstring(""), AT_FDCWD, cstring(path), flags);
  closeDescriptor(mount);
  return {
    path,
    [Symbol.dispose]: () => void syscall("unmount", "umount2", cstring(path), MNT_DETACH),
  };
}

/**
 * All that can be seen of a tree: a line for each name, with type, mode, owner, size, times, links, target, attributes and
 * content. Directories of no archive have the time of their making; it is left out where `implied` says so.
 */
export function treeLines(path: string, implied: ReadonlySet<ByteString>): string[] {
  const reader = new DirectoryReader();
  const lines: string[] = [];
  const inodes = new Map<bigint, string>();
  const visit = (directory: number, name: ByteString, below: ByteString) => {
    const status = reader.status(directory, name);
    const type = status.mode & S_IFMT;
    const parts = [JSON.stringify(below), ...shownStatus(status, type, implied.has(below))];
    if (type !== S_IFDIR && status.links > 1) {
      const first = inodes.get(status.inode);
      if (first !== undefined) return void lines.push(`${parts[0]} is ${first}`);
      inodes.set(status.inode, `${parts[0]}`);
    }
    if (type === S_IFLNK) parts.push(shown(reader.link(directory, name)));
    if (type !== S_IFDIR && type !== S_IFREG) return void lines.push(parts.join(" "));
    const fd = name === "" ? directory : reader.open(directory, name);
    try {
      const xattrs = reader.xattrs(fd, () => true);
      for (const [key, value] of xattrs) parts.push(`${JSON.stringify(key)}=${value.toHex()}`);
      if (type === S_IFREG) parts.push(contentHash(reader, fd));
      lines.push(parts.join(" "));
      if (type !== S_IFDIR) return;
      for (const each of reader.names(fd)) {
        visit(fd, each, below === "" ? each : `${below}/${each}`);
      }
    } finally {
      if (name !== "") reader.close(fd);
    }
  };
  const root = reader.openRoot(byteStringOfText(path));
  try {
    visit(root, "", "");
  } finally {
    reader.close(root);
  }
  return lines;
}

function shownStatus(status: FileStatus, type: number, implied: boolean): readonly unknown[] {
  return [
    status.mode.toString(8),
    `${status.uid}:${status.gid}`,
    implied ? "-" : `${status.mtime}.${status.mtimeNs}`,
    `${status.major},${status.minor}`,
    ...type === S_IFDIR ? [] : [status.links, status.size],
  ];
}

function contentHash(reader: DirectoryReader, fd: number): string {
  const buffer = new Uint8Array(1 << 16);
  let hash = 0x811c_9dc5;
  let size = 0;
  for (let n = reader.read(fd, buffer); n > 0; n = reader.read(fd, buffer)) {
    size += n;
    for (let i = 0; i < n; i++) hash = Math.imul(hash ^ (buffer[i] ?? 0), 0x0100_0193);
  }
  return `${size}#${(hash >>> 0).toString(16)}`;
}
