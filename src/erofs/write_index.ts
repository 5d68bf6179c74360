/**
 * Writes the index of a tree: an EROFS image that holds names, inodes and attributes, and whose files' data lie in the
 * archives that the tree was made from. The same tree always gives the same bytes.
 */
import { S_IFBLK, S_IFCHR, S_IFMT } from "../linux/constants.ts";
import {
  BLOCK_BITS,
  BLOCK_SIZE,
  CHUNK,
  DEVICE,
  DIRENT,
  EROFS_CHUNK_FORMAT_INDEXES,
  EROFS_FEATURE_COMPAT_MTIME,
  EROFS_FEATURE_INCOMPAT_CHUNKED_FILE,
  EROFS_FEATURE_INCOMPAT_COMPR_CFGS,
  EROFS_FEATURE_INCOMPAT_DEVICE_TABLE,
  EROFS_FEATURE_INCOMPAT_ZERO_PADDING,
  EROFS_INODE_CHUNK_BASED,
  EROFS_INODE_COMPRESSED_FULL,
  EROFS_INODE_FLAT_INLINE,
  EROFS_INODE_FLAT_PLAIN,
  EROFS_INODE_LAYOUT_EXTENDED,
  EROFS_SUPER_MAGIC,
  FILE_TYPES,
  INODE,
  MAX_BLOCKS,
  SUPER,
  WINDOW_LOG,
  XATTR,
  ZSTD_CONFIG,
} from "./format.ts";
import { compressedBlocks, writeClusters } from "./compressed_files.ts";
import { DOT, DOT_DOT, type IndexTree, ROOT } from "./index_tree.ts";
import {
  entriesInBlock,
  type IndexPlan,
  isSymlink,
  planIndex,
  type PlannedDirectory,
} from "./plan_index.ts";
import { type Archives, chunkBlock, type FileChunks, fileChunks, hasData } from "./tails.ts";
import { Window } from "./window.ts";

/**
 * Writes an index.
 *
 * @param archives what the tree was made from
 * @param write takes the next bytes; they are valid during the call
 * @throws {TypeError} for a tree that is `unsupported`
 */
export function writeIndex(
  tree: IndexTree,
  archives: Archives,
  write: (bytes: Uint8Array<ArrayBuffer>) => void,
): void {
  if (tree.unsupported !== undefined) throw new TypeError(tree.unsupported);
  const blocks = tree.devices.map(({ id }) => Math.floor(archives.size(id) / BLOCK_SIZE));
  const plan = planIndex(tree, (device) => blocks[device - 1] ?? 0);
  const out = new Window(write);
  writeSuper(tree, plan, out, blocks);
  const bases = mappedBlocks(plan, blocks);
  for (const inode of plan.inodes) writeInode(tree, plan, inode, bases, out);
  for (const directory of plan.directories) writeDirectory(tree, plan, directory, out);
  for (const [inode, block] of plan.longTargets) {
    const at = tree.data(inode);
    out.bytes(block * BLOCK_SIZE, tree.bytes.subarray(at, at + tree.size(inode)));
  }
  for (const [inode, { block, from, length }] of plan.tails) {
    const { id } = tree.devices[tree.device(inode) - 1] ?? { id: "" };
    out.bytes(block * BLOCK_SIZE, archives.read(id, from, length));
  }
  out.finish(plan.blocks * BLOCK_SIZE);
}

function writeSuper(
  tree: IndexTree,
  plan: IndexPlan,
  out: Window,
  deviceBlocks: readonly number[],
): void {
  const at = SUPER.at;
  const features = EROFS_FEATURE_INCOMPAT_CHUNKED_FILE |
    (tree.devices.length === 0 ? 0 : EROFS_FEATURE_INCOMPAT_DEVICE_TABLE) |
    (tree.hasCompressed
      ? EROFS_FEATURE_INCOMPAT_ZERO_PADDING | EROFS_FEATURE_INCOMPAT_COMPR_CFGS
      : 0);
  out.u32(at + SUPER.magic, EROFS_SUPER_MAGIC);
  out.u32(at + SUPER.featureCompat, EROFS_FEATURE_COMPAT_MTIME);
  out.u8(at + SUPER.blockBits, BLOCK_BITS);
  out.u16(at + SUPER.rootNid, plan.nids[ROOT] ?? 0);
  out.u64(at + SUPER.inodes, plan.inodes.length);
  out.u32(at + SUPER.blocks, plan.blocks);
  out.u32(at + SUPER.featureIncompat, features);
  out.u16(at + SUPER.extraDevices, tree.devices.length);
  out.u16(at + SUPER.deviceSlot, DEVICE.at / DEVICE.size);
  if (tree.hasCompressed) {
    out.u16(at + SUPER.compression, ZSTD_CONFIG.bit);
    out.u16(ZSTD_CONFIG.at, ZSTD_CONFIG.length);
    out.u8(ZSTD_CONFIG.at + ZSTD_CONFIG.windowLog, WINDOW_LOG - ZSTD_CONFIG.leastWindowLog);
  }
  const bases = mappedBlocks(plan, deviceBlocks);
  deviceBlocks.forEach((blocks, i) => {
    const slot = DEVICE.at + i * DEVICE.size;
    out.u32(slot + DEVICE.blocks, blocks);
    // Compressed data have no number of a device, but one block of all.
    if (tree.hasCompressed) out.u32(slot + DEVICE.mappedBlock, bases[i] ?? 0);
    out.u32(slot + DEVICE.size - 4, 0);
  });
}

/** The block that stands for the first of each device: behind those of the index, one device after the other. */
function mappedBlocks(plan: IndexPlan, deviceBlocks: readonly number[]): readonly number[] {
  let next = plan.blocks;
  const bases = deviceBlocks.map((blocks) => {
    const base = next;
    next += blocks;
    return base;
  });
  if (next > MAX_BLOCKS) throw new RangeError("the archives of a tree have more than 2 TiB");
  return bases;
}

function writeInode(
  tree: IndexTree,
  plan: IndexPlan,
  inode: number,
  bases: readonly number[],
  out: Window,
): void {
  const at = (plan.nids[inode] ?? 0) * INODE.unit;
  const mode = tree.mode(inode);
  const type = mode & S_IFMT;
  const xattrs = tree.xattrs(inode);
  const chunks = chunksOf(tree, plan, inode);
  const isInline = isSymlink(tree, inode) && !plan.firstBlocks.has(inode);
  const isCompressed = tree.isCompressed(inode);
  const layout = isCompressed
    ? EROFS_INODE_COMPRESSED_FULL
    : chunks !== undefined
    ? EROFS_INODE_CHUNK_BASED
    : isInline
    ? EROFS_INODE_FLAT_INLINE
    : EROFS_INODE_FLAT_PLAIN;
  out.u16(at + INODE.format, EROFS_INODE_LAYOUT_EXTENDED | layout << 1);
  if (xattrs !== undefined) {
    out.u16(at + INODE.xattrCount, (xattrs.length - XATTR.header) / 4 + 1);
  }
  out.u16(at + INODE.mode, mode);
  out.u64(at + INODE.bytes, plan.directorySizes.get(inode) ?? tree.size(inode));
  if (chunks !== undefined) {
    out.u16(at + INODE.union, EROFS_CHUNK_FORMAT_INDEXES | chunks.bits - BLOCK_BITS);
  } else if (isCompressed) out.u32(at + INODE.union, compressedBlocks(tree, inode));
  else if (type === S_IFCHR || type === S_IFBLK) out.u32(at + INODE.union, tree.data(inode));
  else out.u32(at + INODE.union, plan.firstBlocks.get(inode) ?? 0);
  out.u32(at + INODE.number, inode + 1);
  out.u32(at + INODE.uid, tree.uid(inode));
  out.u32(at + INODE.gid, tree.gid(inode));
  out.i64(at + INODE.mtime, tree.mtime(inode));
  out.u32(at + INODE.mtimeNs, tree.mtimeNs(inode));
  out.u32(at + INODE.links, plan.links[inode] ?? 0);
  let behind = at + INODE.size;
  if (xattrs !== undefined) {
    out.bytes(behind, xattrs);
    behind += xattrs.length;
  }
  if (isInline) {
    const target = tree.data(inode);
    out.bytes(behind, tree.bytes.subarray(target, target + tree.size(inode)));
  }
  const aligned = Math.ceil(behind / CHUNK.size) * CHUNK.size;
  if (chunks !== undefined) writeChunks(tree, plan, inode, out, aligned);
  else if (isCompressed) {
    writeClusters(tree, inode, out, { at: aligned, base: bases[tree.device(inode) - 1] ?? 0 });
  }
}

/** How a file is divided; undefined for what has no data. */
function chunksOf(tree: IndexTree, plan: IndexPlan, inode: number): FileChunks | undefined {
  if (!hasData(tree, inode) || tree.isCompressed(inode)) return undefined;
  return plan.tails.get(inode) ?? fileChunks(tree, inode, Infinity);
}

function writeChunks(
  tree: IndexTree,
  plan: IndexPlan,
  inode: number,
  out: Window,
  at: number,
): void {
  const device = tree.device(inode);
  const tail = plan.tails.get(inode);
  const { bits, count } = tail ?? fileChunks(tree, inode, Infinity);
  for (let i = 0; i < count; i++) {
    const isCopied = i === tail?.copied;
    const chunk = at + i * CHUNK.size;
    // Device 0 is the index.
    out.u16(chunk + CHUNK.device, isCopied ? 0 : device);
    out.u32(chunk + CHUNK.block, isCopied ? tail.block : chunkBlock(tree, inode, i, bits));
  }
}

function writeDirectory(
  tree: IndexTree,
  plan: IndexPlan,
  { inode, parent, entries }: PlannedDirectory,
  out: Window,
): void {
  let block = (plan.firstBlocks.get(inode) ?? 0) * BLOCK_SIZE;
  for (let from = 0; from < entries.length; block += BLOCK_SIZE) {
    const [to] = entriesInBlock(tree, entries, from);
    let nameAt = (to - from) * DIRENT.size;
    const names: (readonly [at: number, name: number])[] = [];
    for (let i = from; i < to; i++) {
      const entry = entries[i] ?? DOT;
      const child = entry === DOT ? inode : entry === DOT_DOT ? parent : tree.inodeOf(entry);
      const at = block + (i - from) * DIRENT.size;
      out.u64(at + DIRENT.nid, plan.nids[child] ?? 0);
      out.u16(at + DIRENT.nameAt, nameAt);
      out.u8(at + DIRENT.type, FILE_TYPES[tree.mode(child) >>> 12] ?? 0);
      names.push([block + nameAt, tree.nameAt(entry)]);
      nameAt += tree.bytes.get(tree.nameAt(entry));
    }
    for (const [at, name] of names) {
      out.bytes(at, tree.bytes.subarray(name + 1, name + 1 + tree.bytes.get(name)));
    }
    from = to;
  }
}
