/**
 * A tree of files in memory, as an index will hold it: names, inodes, and where in which archive the data lie.
 *
 * Nothing here follows links: a path is a walk from directory to directory, and what is no directory ends it.
 */
import type { TarEntry, TarKind } from "../aci/tar/entry.ts";
import { storedSize } from "../aci/tar/sparse.ts";
import type { ByteString } from "../linux/byte_string.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../linux/constants.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { makedev } from "../linux/files.ts";
import { sparseChunks } from "./chunks.ts";
import { Bytes, Numbers, Words } from "../aci/bytes/columns.ts";
import { type DataMap, placeOf } from "./data_map.ts";
import { BLOCK_SIZE, MAX_BLOCKS } from "./format.ts";
import { inodeXattrs } from "./xattrs.ts";

/** Entries of a tree, and bytes of all names, link targets and attributes: a limit for hostile images. */
export const MAX_TREE_ENTRIES = 4_000_000;
const MAX_TREE_BYTES = 256 << 20;
/** Bytes of the attributes of one inode: the format counts them in 16 bits, in units of four. */
const MAX_INODE_XATTRS = 200_000;
/** Entries of all lists of chunks. */
const MAX_TREE_CHUNKS = 1 << 21;
/** Archives that the files of one tree may lie in. */
export const MAX_DEVICES = 4096;

/** Longest name in a directory (include/uapi/linux/limits.h: NAME_MAX). */
const NAME_MAX = 255;
/** Longest target of a symbolic link: PATH_MAX has the NUL in it. */
const MAX_TARGET = 4095;

/** An archive with data of the tree's files. */
export interface IndexDevice {
  /** What the caller knows it by. */
  readonly id: string;
  /** Where what lies in it; absent for a tar as it is. */
  readonly map?: DataMap | undefined;
}

/** The names `.` and `..` have these entries, in no directory. */
export const DOT = 0;
export const DOT_DOT = 1;
/** The root directory's inode. */
export const ROOT = 0;
/** No entry, or no inode. */
export const NONE = -1;

const MODES: Readonly<Record<Exclude<TarKind, "hardlink">, number>> = {
  "file": S_IFREG,
  "directory": S_IFDIR,
  "symlink": S_IFLNK,
  "character device": S_IFCHR,
  "block device": S_IFBLK,
  "fifo": S_IFIFO,
};

/** A directory that no archive lists. */
const PARENT_MODE = 0o755;

/** Beside the number of an inode's device: what its data are. */
const CHUNKED = 0x10000;
const COMPRESSED = 0x20000;

/** The tree. Inodes and entries are numbers; what is removed keeps its number, and no other gets it. */
export class IndexTree {
  /** Why no index can be made of this tree, though it is a good one; undefined where one can. */
  unsupported: string | undefined;
  /** Whether {@linkcode isCompressed} is true of any file. */
  hasCompressed = false;
  /** The archives, in the order in which they came: device 1 is the first. */
  readonly devices: IndexDevice[] = [];
  readonly #deviceNumbers = new Map<string, number>();
  /** Names, each behind its length; targets of symbolic links; attributes. */
  readonly bytes = new Bytes();
  /** Lists of chunks: bits, count, blocks. */
  readonly chunks = new Words();
  #chunksEnd = 1;
  #inodes = 0;
  #entries = 0;
  #device = 0;
  #map: DataMap | undefined;

  // Of inodes.
  readonly #mode = new Words();
  readonly #uid = new Words();
  readonly #gid = new Words();
  readonly #mtime = new Numbers();
  readonly #mtimeNs = new Words();
  readonly #size = new Numbers();
  readonly #deviceOf = new Words();
  readonly #data = new Words();
  readonly #xattrs = new Words();
  readonly #xattrsSize = new Words();

  // Of entries. An entry's inode is one more than what is kept: 0 is one that was removed.
  readonly #parent = new Words();
  readonly #inode = new Words();
  readonly #name = new Words();
  readonly #hash = new Words();
  readonly #next = new Words();
  #buckets = new Uint32Array(1024);

  constructor() {
    for (const name of [".", ".."]) {
      this.#name.set(this.#entries++, this.#addName(name, 0, name.length));
    }
    this.newDirectory();
  }

  get inodeCount(): number {
    return this.#inodes;
  }

  /** Entries are numbered up to this; those that were removed count. */
  get entryCount(): number {
    return this.#entries;
  }

  /** Type and permissions (inode(7)). */
  mode(inode: number): number {
    return this.#mode.get(inode);
  }

  uid(inode: number): number {
    return this.#uid.get(inode);
  }

  gid(inode: number): number {
    return this.#gid.get(inode);
  }

  /** Seconds since the epoch; may be negative. */
  mtime(inode: number): number {
    return this.#mtime.get(inode);
  }

  mtimeNs(inode: number): number {
    return this.#mtimeNs.get(inode);
  }

  /** Bytes of a file, or of a symbolic link's target. */
  size(inode: number): number {
    return this.#size.get(inode);
  }

  /** In which device a file's data lie; 0 where it has none. */
  device(inode: number): number {
    return this.#deviceOf.get(inode) & 0xffff;
  }

  /** Whether {@linkcode data} is the place of a list of chunks. */
  isChunked(inode: number): boolean {
    return (this.#deviceOf.get(inode) & CHUNKED) !== 0;
  }

  /** Whether {@linkcode data} is the first of some compressed parts of the archive. */
  isCompressed(inode: number): boolean {
    return (this.#deviceOf.get(inode) & COMPRESSED) !== 0;
  }

  /** Of a file: its first block; of a symbolic link: the place of its target; of a device: its number. */
  data(inode: number): number {
    return this.#data.get(inode);
  }

  /** The attributes as they stand behind the inode; undefined where it has none. */
  xattrs(inode: number): Uint8Array | undefined {
    const at = this.#xattrs.get(inode);
    const size = this.#xattrsSize.get(inode);
    return size === 0 ? undefined : this.bytes.subarray(at, at + size);
  }

  /** Bytes of the attributes. */
  xattrsSize(inode: number): number {
    return this.#xattrsSize.get(inode);
  }

  isDirectory(inode: number): boolean {
    return (this.#mode.get(inode) & S_IFMT) === S_IFDIR;
  }

  /** The inode that an entry names; {@linkcode NONE} where the entry was removed. */
  inodeOf(entry: number): number {
    return this.#inode.get(entry) - 1;
  }

  /** The directory that an entry is in. */
  parentOf(entry: number): number {
    return this.#parent.get(entry);
  }

  /** The place of an entry's name in {@linkcode bytes}: a byte with its length, then the name. */
  nameAt(entry: number): number {
    return this.#name.get(entry);
  }

  /**
   * Chooses the archive that the files lie in which come from now on.
   *
   * @param mapOf says where what lies, of an archive that is kept compressed
   */
  useDevice(id: string, mapOf: (id: string) => DataMap | undefined = () => undefined): void {
    this.#device = this.#deviceNumbers.get(id) ?? this.devices.push({ id, map: mapOf(id) });
    this.#deviceNumbers.set(id, this.#device);
    this.#map = this.devices[this.#device - 1]?.map;
    if (this.devices.length > MAX_DEVICES) {
      this.unsupported ??= "its files lie in too many archives";
    }
  }

  /** A directory that no archive has listed yet, without a name. */
  newDirectory(): number {
    const inode = this.#inodes++;
    this.#mode.set(inode, S_IFDIR | PARENT_MODE);
    return inode;
  }

  /** An empty file that holds a name until it is known what is to have it. */
  newPlaceholder(): number {
    const inode = this.#inodes++;
    this.#mode.set(inode, S_IFREG);
    return inode;
  }

  /**
   * An inode of what an entry of an archive says, without a name.
   *
   * @throws {KernelError} for what no file system takes
   */
  newInode(entry: TarEntry): number {
    const inode = this.#inodes++;
    this.describe(inode, entry);
    return inode;
  }

  /** Gives an inode all that an entry of an archive says, but for the hardlink's. */
  describe(inode: number, entry: TarEntry): void {
    if (entry.kind === "hardlink") throw new TypeError("a hardlink has no inode of its own");
    // A symbolic link has no permissions of its own.
    this.#mode.set(inode, MODES[entry.kind] | (entry.kind === "symlink" ? 0o777 : entry.mode));
    this.#uid.set(inode, entry.uid);
    this.#gid.set(inode, entry.gid);
    this.#mtime.set(inode, entry.mtime);
    this.#mtimeNs.set(inode, entry.mtimeNs);
    this.#describeXattrs(inode, entry);
    if (entry.kind === "file") this.#describeFile(inode, entry);
    else if (entry.kind === "symlink") this.#describeSymlink(inode, entry.link);
    else if (entry.major !== 0 || entry.minor !== 0) {
      this.#data.set(inode, makedev(entry.major, entry.minor));
    }
  }

  #describeXattrs(inode: number, entry: TarEntry): void {
    const xattrs = inodeXattrs(entry);
    this.#xattrsSize.set(inode, 0);
    if (xattrs === undefined) return;
    if (xattrs.length > MAX_INODE_XATTRS) {
      this.unsupported ??= "a file has too many attributes";
      return;
    }
    this.#xattrs.set(inode, this.#room(xattrs.length).add(xattrs));
    this.#xattrsSize.set(inode, xattrs.length);
  }

  #describeFile(inode: number, entry: TarEntry): void {
    const { size, pieces } = entry;
    this.#size.set(inode, size);
    if (size === 0) return;
    this.#deviceOf.set(inode, this.#device);
    const place = this.#map && storedSize(entry) > 0
      ? placeOf(this.#map, entry.dataOffset)
      : undefined;
    if (place?.isCompressed === true) {
      this.hasCompressed = true;
      this.#deviceOf.set(inode, this.#device | COMPRESSED);
      this.#data.set(inode, place.first);
      return;
    }
    const dataOffset = this.#map === undefined || place === undefined
      ? entry.dataOffset
      : this.#map.block(place.first) * BLOCK_SIZE;
    if (pieces === undefined) {
      if (dataOffset + size > MAX_BLOCKS * BLOCK_SIZE || dataOffset % BLOCK_SIZE !== 0) {
        this.unsupported ??= "its archive is too large";
      } else this.#data.set(inode, dataOffset / BLOCK_SIZE);
      return;
    }
    const chunks = sparseChunks(pieces, size, dataOffset);
    const at = this.#chunksEnd;
    if (chunks === undefined || at + chunks.blocks.length > MAX_TREE_CHUNKS) {
      this.unsupported ??= "a sparse file is in too many pieces";
      return;
    }
    this.chunks.set(at, chunks.bits);
    this.chunks.set(at + 1, chunks.blocks.length);
    chunks.blocks.forEach((block, i) => this.chunks.set(at + 2 + i, block));
    this.#chunksEnd = at + 2 + chunks.blocks.length;
    this.#deviceOf.set(inode, this.#device | CHUNKED);
    this.#data.set(inode, at);
  }

  #describeSymlink(inode: number, target: ByteString): void {
    if (target.length > MAX_TARGET) throw new KernelError(ERRNO.ENAMETOOLONG, "make the symlink");
    this.#size.set(inode, target.length);
    this.#data.set(inode, this.#room(target.length).addText(target, 0, target.length));
  }

  /**
   * Looks up a name: `path[from, to)`.
   *
   * @returns the entry, or {@linkcode NONE}
   */
  find(directory: number, path: ByteString, from = 0, to = path.length): number {
    const hash = hashOf(directory, path, from, to);
    const length = to - from;
    let entry = this.#buckets[hash % this.#buckets.length] ?? 0;
    for (; entry !== 0; entry = this.#next.get(entry)) {
      if (this.#hash.get(entry) !== hash || this.#parent.get(entry) !== directory) continue;
      if (this.#inode.get(entry) === 0) continue;
      const name = this.#name.get(entry);
      if (this.bytes.get(name) !== length) continue;
      let i = 0;
      while (i < length && this.bytes.get(name + 1 + i) === path.charCodeAt(from + i)) i++;
      if (i === length) return entry;
    }
    return NONE;
  }

  /**
   * Gives an inode a name that is free: `path[from, to)`.
   *
   * @throws {KernelError} where it is too long
   */
  add(directory: number, path: ByteString, inode: number, from = 0, to = path.length): number {
    if (to - from > NAME_MAX) throw new KernelError(ERRNO.ENAMETOOLONG, "create it");
    const entry = this.#entries++;
    if (entry > MAX_TREE_ENTRIES) {
      throw new KernelError(ERRNO.ENOSPC, `hold more than ${MAX_TREE_ENTRIES} entries of a tree`);
    }
    if (entry > this.#buckets.length) this.#rehash();
    const hash = hashOf(directory, path, from, to);
    this.#parent.set(entry, directory);
    this.#inode.set(entry, inode + 1);
    this.#name.set(entry, this.#addName(path, from, to));
    this.#hash.set(entry, hash);
    this.#chain(entry, hash);
    return entry;
  }

  /** Takes a name away from what it names. What is below a directory is out of reach then. */
  remove(entry: number): void {
    this.#inode.set(entry, 0);
  }

  /** Lets an entry name another inode. */
  replace(entry: number, inode: number): void {
    this.#inode.set(entry, inode + 1);
  }

  #addName(path: ByteString, from: number, to: number): number {
    const at = this.#room(1 + to - from).add(Uint8Array.of(to - from));
    this.bytes.addText(path, from, to);
    return at;
  }

  #room(more: number): Bytes {
    if (this.bytes.length + more <= MAX_TREE_BYTES) return this.bytes;
    throw new KernelError(ERRNO.ENOSPC, `hold names of more than ${MAX_TREE_BYTES >> 20} MiB`);
  }

  #chain(entry: number, hash: number): void {
    const bucket = hash % this.#buckets.length;
    this.#next.set(entry, this.#buckets[bucket] ?? 0);
    this.#buckets[bucket] = entry;
  }

  #rehash(): void {
    this.#buckets = new Uint32Array(2 * this.#buckets.length);
    for (let entry = DOT_DOT + 1; entry < this.#entries - 1; entry++) {
      this.#chain(entry, this.#hash.get(entry));
    }
  }
}

/** FNV-1a over a directory's number and a name. */
function hashOf(directory: number, path: ByteString, from: number, to: number): number {
  let hash = Math.imul(directory ^ 0x811c_9dc5, 0x0100_0193);
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x0100_0193);
  return (hash ^ hash >>> 15) >>> 0;
}
