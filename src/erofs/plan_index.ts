/** Where everything of a tree stands in its index: the first of the two passes that write one. */
import { S_IFLNK, S_IFMT } from "../linux/constants.ts";
import { clustersSize } from "./compressed_files.ts";
import { BLOCK_SIZE, CHUNK, DEVICE, DIRENT, INODE } from "./format.ts";
import { DOT, DOT_DOT, type IndexTree, NONE, ROOT } from "./index_tree.ts";
import { chunkBlock, type FileChunks, fileChunks, hasData } from "./tails.ts";

/** The plan of an index. */
export interface IndexPlan {
  /** What can be reached from the root, in the order of their places. */
  readonly inodes: Uint32Array;
  /** The inodes' places in units of 32 bytes, by the tree's numbers; 0: can't be reached. */
  readonly nids: Uint32Array;
  /** How many names each has. */
  readonly links: Uint32Array;
  readonly directories: readonly PlannedDirectory[];
  /** Symbolic links whose targets are too long to stand behind the inode, and the block of each. */
  readonly longTargets: readonly (readonly [inode: number, block: number])[];
  /** Files whose last piece is copied, because their archives end within a block. */
  readonly tails: ReadonlyMap<number, Tail>;
  /** Of directories and long targets. */
  readonly firstBlocks: ReadonlyMap<number, number>;
  /** Bytes of each directory. */
  readonly directorySizes: ReadonlyMap<number, number>;
  /** Blocks of the whole index. */
  readonly blocks: number;
}

/** A directory's entries in the order of their names, `.` and `..` among them. */
export interface PlannedDirectory {
  readonly inode: number;
  readonly parent: number;
  readonly entries: Uint32Array;
}

/** A piece of a file that lies in the index. */
export interface Tail extends FileChunks {
  readonly copied: number;
  /** Where it begins in the index. */
  readonly block: number;
  /** Where it begins in the archive, in bytes, and how many they are. */
  readonly from: number;
  readonly length: number;
}

/** The longest target that stands behind its inode, in one block with it. */
const MAX_INLINE = BLOCK_SIZE - INODE.size;

/**
 * Plans the index of a tree. The root comes first, because its number has 16 bits only.
 *
 * @param wholeBlocks how many blocks the archive of a device has, without one that it ends in
 */
export function planIndex(tree: IndexTree, wholeBlocks: (device: number) => number): IndexPlan {
  const children = childrenOf(tree);
  const nids = new Uint32Array(tree.inodeCount);
  const links = new Uint32Array(tree.inodeCount);
  const inodes = new Uint32Array(tree.inodeCount);
  const directories: PlannedDirectory[] = [];
  const longTargets: number[] = [];
  const tails = new Map<number, FileChunks & { readonly copied: number }>();
  let count = 0;
  let end = DEVICE.at + tree.devices.length * DEVICE.size;
  const place = (inode: number) => {
    const chunks = hasData(tree, inode) && !tree.isCompressed(inode)
      ? fileChunks(tree, inode, wholeBlocks(tree.device(inode)))
      : undefined;
    const { copied } = chunks ?? {};
    if (chunks !== undefined && copied !== undefined) tails.set(inode, { ...chunks, copied });
    const size = inodeSize(tree, inode, chunks?.count ?? 0);
    let at = roundUp(end, INODE.unit);
    if (isSymlink(tree, inode)) {
      if (tree.size(inode) > MAX_INLINE) longTargets.push(inode);
      else if (at % BLOCK_SIZE + size > BLOCK_SIZE) at = roundUp(at, BLOCK_SIZE);
    }
    nids[inode] = at / INODE.unit;
    inodes[count++] = inode;
    end = at + size;
  };
  place(ROOT);
  const queue: [inode: number, parent: number][] = [[ROOT, ROOT]];
  for (const [inode, parent] of queue) {
    const entries = children(inode);
    directories.push({ inode, parent, entries });
    links[inode] = 2;
    for (const entry of entries) {
      if (entry <= DOT_DOT) continue;
      const child = tree.inodeOf(entry);
      if (nids[child] === 0) place(child);
      if (tree.isDirectory(child)) {
        queue.push([child, inode]);
        links[inode] = (links[inode] ?? 0) + 1;
      } else links[child] = (links[child] ?? 0) + 1;
    }
  }
  const blocksPlan = planBlocks(tree, directories, longTargets, Math.ceil(end / BLOCK_SIZE));
  return {
    inodes: inodes.subarray(0, count),
    nids,
    links,
    directories,
    ...blocksPlan,
    ...planTails(tree, tails, blocksPlan.blocks),
  };
}

type BlocksPlan = Pick<
  IndexPlan,
  "longTargets" | "firstBlocks" | "directorySizes" | "blocks"
>;

/** Gives directories and long targets their blocks, behind the inodes. */
function planBlocks(
  tree: IndexTree,
  directories: readonly PlannedDirectory[],
  longTargets: readonly number[],
  first: number,
): BlocksPlan {
  const firstBlocks = new Map<number, number>();
  const directorySizes = new Map<number, number>();
  let block = first;
  for (const { inode, entries } of directories) {
    firstBlocks.set(inode, block);
    const [blocks, used] = directoryBlocks(tree, entries);
    directorySizes.set(inode, (blocks - 1) * BLOCK_SIZE + used);
    block += blocks;
  }
  const targets = longTargets.map((inode): readonly [number, number] => {
    const at = block;
    firstBlocks.set(inode, at);
    block += Math.ceil(tree.size(inode) / BLOCK_SIZE);
    return [inode, at];
  });
  return { longTargets: targets, firstBlocks, directorySizes, blocks: block };
}

/** Gives copied pieces their blocks, behind all else. */
function planTails(
  tree: IndexTree,
  tails: ReadonlyMap<number, FileChunks & { readonly copied: number }>,
  first: number,
): Pick<IndexPlan, "tails" | "blocks"> {
  let block = first;
  const planned = new Map<number, Tail>();
  for (const [inode, chunks] of tails) {
    const length = tree.size(inode) - chunks.copied * 2 ** chunks.bits;
    const from = chunkBlock(tree, inode, chunks.copied, chunks.bits) * BLOCK_SIZE;
    planned.set(inode, { ...chunks, block, from, length });
    block += Math.ceil(length / BLOCK_SIZE);
  }
  return { tails: planned, blocks: block };
}

export function isSymlink(tree: IndexTree, inode: number): boolean {
  return (tree.mode(inode) & S_IFMT) === S_IFLNK;
}

/** Bytes of an inode with its attributes and what stands behind them. */
function inodeSize(tree: IndexTree, inode: number, chunks: number): number {
  const size = INODE.size + tree.xattrsSize(inode);
  if (isSymlink(tree, inode)) return tree.size(inode) > MAX_INLINE ? size : size + tree.size(inode);
  if (tree.isCompressed(inode)) return roundUp(size, CHUNK.size) + clustersSize(tree.size(inode));
  if (chunks === 0) return size;
  return roundUp(size, CHUNK.size) + chunks * CHUNK.size;
}

/** How many entries, beginning with one, fit into a block, and how many bytes they take. */
export function entriesInBlock(
  tree: IndexTree,
  entries: Uint32Array,
  from: number,
): readonly [to: number, used: number] {
  let used = 0;
  let at = from;
  for (; at < entries.length; at++) {
    const size = DIRENT.size + tree.bytes.get(tree.nameAt(entries[at] ?? DOT));
    if (used + size > BLOCK_SIZE) break;
    used += size;
  }
  return [at, used];
}

function directoryBlocks(tree: IndexTree, entries: Uint32Array): readonly [number, number] {
  let blocks = 0;
  let last = 0;
  for (let at = 0; at < entries.length; blocks++) [at, last] = entriesInBlock(tree, entries, at);
  return [blocks, last];
}

/** Sorts all entries by their directories. Returns what gives those of one, with `.` and `..`, by their names. */
function childrenOf(tree: IndexTree): (directory: number) => Uint32Array {
  const ends = new Uint32Array(tree.inodeCount + 1);
  const live = (visit: (entry: number) => void) => {
    for (let entry = DOT_DOT + 1; entry < tree.entryCount; entry++) {
      if (tree.inodeOf(entry) !== NONE) visit(entry);
    }
  };
  live((entry) => ends[tree.parentOf(entry)] = (ends[tree.parentOf(entry)] ?? 0) + 1);
  let sum = 0;
  for (let inode = 0; inode <= tree.inodeCount; inode++) {
    sum += ends[inode] ?? 0;
    ends[inode] = sum;
  }
  const sorted = new Uint32Array(sum);
  live((entry) => {
    const at = (ends[tree.parentOf(entry)] ?? 0) - 1;
    ends[tree.parentOf(entry)] = at;
    sorted[at] = entry;
  });
  // Now each directory's entries begin where `ends` says, and go on to where the next one's begin.
  return (directory) => {
    const own = sorted.subarray(ends[directory], ends[directory + 1]);
    const entries = new Uint32Array(own.length + 2);
    entries[1] = DOT_DOT;
    entries.set(own, 2);
    return entries.sort((a, b) => compareNames(tree, a, b));
  };
}

/** By the bytes of their names: EROFS looks names up by halving. */
function compareNames(tree: IndexTree, a: number, b: number): number {
  const { bytes } = tree;
  const [atA, atB] = [tree.nameAt(a), tree.nameAt(b)];
  const [lengthA, lengthB] = [bytes.get(atA), bytes.get(atB)];
  const shorter = Math.min(lengthA, lengthB);
  for (let i = 1; i <= shorter; i++) {
    const difference = bytes.get(atA + i) - bytes.get(atB + i);
    if (difference !== 0) return difference;
  }
  return lengthA - lengthB;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
