/**
 * Files whose data lie compressed in their archive: a run of pieces, each one frame of zstd. EROFS has a record for each logical cluster of such a file (fs/erofs/erofs_fs.h, `struct z_erofs_lcluster_index`).
 */
import { CLUSTER_INDEX, type CompressedInode } from "./format.ts";
import type { DataMap } from "./data_map.ts";
import type { IndexTree } from "./index_tree.ts";
import type { Window } from "./window.ts";

/** Bytes behind a compressed inode's attributes: the header, and a record for each logical cluster. */
export function clustersSize(size: number): number {
  return CLUSTER_INDEX.header + clusterCount(size) * CLUSTER_INDEX.size;
}

function clusterCount(bytes: number): number {
  return Math.ceil(bytes / 2 ** CLUSTER_INDEX.bits);
}

/** Blocks of all parts of a file. */
export function compressedBlocks(tree: IndexTree, inode: number): number {
  let blocks = 0;
  for (const [part, map] of parts(tree, inode)) blocks += map.blocks(part);
  return blocks;
}

/**
 * Writes the records of a file.
 *
 * @param base the block that stands for its device's first one
 */
export function writeClusters(
  tree: IndexTree,
  inode: number,
  out: Window,
  { at, base }: CompressedInode,
): void {
  out.u16(at + CLUSTER_INDEX.advise, CLUSTER_INDEX.bigClusters);
  out.u8(at + CLUSTER_INDEX.algorithm, CLUSTER_INDEX.zstd);
  out.u8(at + CLUSTER_INDEX.clusterBits, CLUSTER_INDEX.bits - CLUSTER_INDEX.blockBits);
  let record = at + CLUSTER_INDEX.header;
  for (const [part, map] of parts(tree, inode)) {
    const count = clusterCount(map.bytes(part));
    const block = base + map.block(part);
    for (let i = 0; i < count; i++, record += CLUSTER_INDEX.size) {
      if (i === 0) {
        out.u16(record, CLUSTER_INDEX.head);
        out.u32(record + 4, block);
      } else {
        out.u16(record, CLUSTER_INDEX.nonHead);
        // How far it is to the head; the first one says in its place how many blocks there are.
        out.u16(record + 4, i === 1 ? CLUSTER_INDEX.blockCount | map.blocks(part) : i);
        out.u16(record + 6, count - i);
      }
    }
  }
}

/** The parts of a compressed file. */
function* parts(tree: IndexTree, inode: number): Generator<readonly [part: number, map: DataMap]> {
  const { map } = tree.devices[tree.device(inode) - 1] ?? {};
  if (map === undefined) throw new TypeError("the archive is not compressed");
  for (let [part, done] = [tree.data(inode), 0]; done < tree.size(inode); part++) {
    yield [part, map];
    done += map.bytes(part);
  }
}
