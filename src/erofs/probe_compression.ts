/** Finds out whether the kernel reads what is compressed in an archive. */
import zlib from "node:zlib";
import { KernelError } from "../linux/errno.ts";
import { closeDescriptor } from "../linux/lock.ts";
import type { DataMap } from "./data_map.ts";
import { BLOCK_SIZE } from "./format.ts";
import { IndexTarget } from "./index_target.ts";
import { mountIndex, type MountMethod } from "./mount_index.ts";
import { probedFile } from "./probe.ts";
import { writeIndexFile } from "./write_index_file.ts";

/** Bytes of the file: several logical clusters. */
const SIZE = 20_000;

/**
 * Mounts an index of one compressed file, attached nowhere, and reads it.
 *
 * @param directory an existing directory to make files in; they stay there
 */
export function readsCompressed(directory: string, method: MountMethod): boolean {
  const content = Uint8Array.from({ length: SIZE }, (_, i) => (i * i) >>> 9);
  // With its size in it, the frame needs no larger window.
  const options = { pledgedSrcSize: SIZE, params: {} };
  const frame = zlib.zstdCompressSync(content, options);
  const blocks = Math.ceil(frame.length / BLOCK_SIZE);
  // Zeros stand in front; and a block before them shows whether places are counted right.
  const device = new Uint8Array(BLOCK_SIZE * (1 + blocks));
  device.set(frame, BLOCK_SIZE * (1 + blocks) - frame.length);
  const path = `${directory}/compressed`;
  Deno.writeFileSync(path, device);
  const map: DataMap = {
    find: () => 0,
    from: () => BLOCK_SIZE,
    bytes: () => SIZE,
    block: () => 1,
    blocks: () => blocks,
    isCompressed: () => true,
  };
  const target = new IndexTarget(() => map);
  target.archive("");
  target.create("file", probedFile(SIZE, BLOCK_SIZE));
  const index = `${directory}/compressed-index`;
  writeIndexFile(target.tree, index, () => path);
  try {
    const mount = mountIndex({ index, devices: [path] }, method);
    try {
      const read = Deno.readFileSync(`/proc/self/fd/${mount}/file`);
      return read.length === SIZE && read.every((byte, i) => byte === content[i]);
    } catch {
      return false; // it can't be read
    } finally {
      closeDescriptor(mount);
    }
  } catch (error) {
    if (error instanceof KernelError) return false;
    throw error;
  }
}
