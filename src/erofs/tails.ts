/**
 * The ends of archives that end within a block, as some tools' do that leave the padding out. The kernel reads whole blocks
 * only: a loop device does not show what is behind the last one. So the last piece of the last file of such an archive is
 * copied into the index, and the archive stays as it is, byte by byte, and the only copy.
 */
import { S_IFMT, S_IFREG } from "../linux/constants.ts";
import { chunkBits } from "./chunks.ts";
import { BLOCK_BITS, BLOCK_SIZE, HOLE } from "./format.ts";
import type { IndexTree } from "./index_tree.ts";

/** Bytes of the copied piece, at most, as a power of two: unless the list of the file's chunks became too long. */
const TAIL_BITS = 16;
/** Chunks of such a file, as a power of two; 8 bytes of the index each. */
const MAX_COUNT_BITS = 16;

/** The archives of a tree, by the IDs of its devices. */
export interface Archives {
  /** Bytes of an archive. */
  size(id: string): number;
  /** Reads bytes of an archive. */
  read(id: string, from: number, length: number): Uint8Array;
}

/** How a file is divided into chunks, and which of them lies in the index. */
export interface FileChunks {
  /** Bytes of each, as a power of two. */
  readonly bits: number;
  readonly count: number;
  /** The number of the one that is copied; undefined where all lie in the archive. */
  readonly copied: number | undefined;
}

/** The blocks of a file's data. Of a file in one piece, the chunk is as long as the file needs: then there is one only. */
export function fileChunks(tree: IndexTree, inode: number, wholeBlocks: number): FileChunks {
  const size = tree.size(inode);
  const bits = ownBits(tree, inode);
  const count = Math.ceil(size / 2 ** bits);
  if (!reachesBehind(tree, inode, count - 1, bits, wholeBlocks)) {
    return { bits, count, copied: undefined };
  }
  const finer = Math.min(bits, Math.max(TAIL_BITS, chunkBits(size) - MAX_COUNT_BITS));
  const finerCount = Math.ceil(size / 2 ** finer);
  return { bits: finer, count: finerCount, copied: finerCount - 1 };
}

/** The block of an archive where a chunk begins, of {@linkcode FileChunks.bits}; {@linkcode HOLE} for a hole. */
export function chunkBlock(tree: IndexTree, inode: number, chunk: number, bits: number): number {
  const data = tree.data(inode);
  const parts = 2 ** (ownBits(tree, inode) - bits);
  const first = tree.isChunked(inode)
    ? tree.chunks.get(data + 2 + Math.floor(chunk / parts))
    : data;
  return first === HOLE ? HOLE : first + chunk % parts * 2 ** (bits - BLOCK_BITS);
}

/** Whether an inode has data in an archive. */
export function hasData(tree: IndexTree, inode: number): boolean {
  return (tree.mode(inode) & S_IFMT) === S_IFREG && tree.size(inode) > 0;
}

function ownBits(tree: IndexTree, inode: number): number {
  return tree.isChunked(inode) ? tree.chunks.get(tree.data(inode)) : chunkBits(tree.size(inode));
}

/** Only the last chunk of a file can: what does not end with the file ends with a chunk, so with a block. */
function reachesBehind(
  tree: IndexTree,
  inode: number,
  last: number,
  bits: number,
  wholeBlocks: number,
): boolean {
  const block = chunkBlock(tree, inode, last, bits);
  if (block === HOLE) return false;
  const length = tree.size(inode) - last * 2 ** bits;
  return block + Math.ceil(length / BLOCK_SIZE) > wholeBlocks;
}
