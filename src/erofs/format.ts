/**
 * The on-disk format of EROFS, as far as an index uses it: fs/erofs/erofs_fs.h of Linux 6.12. All numbers are
 * little-endian.
 *
 * An index has blocks of 512 bytes, as an archive has: so the data of every file in an archive begin at a block, and a
 * file's inode points at them in a further device. Before Linux 6.4 blocks are as large as pages.
 */

export const BLOCK_BITS = 9;
export const BLOCK_SIZE = 1 << BLOCK_BITS;

/** Blocks that an address of 32 bits can name; the last address means a hole (`EROFS_NULL_ADDR`). */
export const MAX_BLOCKS = 0xffff_ffff;
export const HOLE = 0xffff_ffff;

/** `struct erofs_super_block`, and where its fields are. */
export const SUPER = {
  at: 1024,
  magic: 0,
  featureCompat: 8,
  blockBits: 12,
  rootNid: 14,
  inodes: 16,
  blocks: 36,
  featureIncompat: 80,
  compression: 84,
  extraDevices: 86,
  deviceSlot: 88,
} as const;
export const EROFS_SUPER_MAGIC = 0xe0f5_e1e2;
export const EROFS_FEATURE_COMPAT_MTIME = 2;
/** Compressed data end with their blocks, and zeros stand in front of them. */
export const EROFS_FEATURE_INCOMPAT_ZERO_PADDING = 1;
/** Behind the super block stands how data are compressed; and compressed data may have several blocks. */
export const EROFS_FEATURE_INCOMPAT_COMPR_CFGS = 2;
export const EROFS_FEATURE_INCOMPAT_CHUNKED_FILE = 4;
export const EROFS_FEATURE_INCOMPAT_DEVICE_TABLE = 8;

/** `struct erofs_deviceslot`: 128 bytes each, behind the super block and what it says of compression. */
export const DEVICE = { at: 1280, size: 128, blocks: 64, mappedBlock: 68 } as const;

/** `struct z_erofs_zstd_cfgs`, behind its length; in a super block zstd has the third bit. */
export const ZSTD_CONFIG = {
  at: 1152,
  length: 6,
  windowLog: 3,
  leastWindowLog: 10,
  bit: 8,
} as const;

/** The largest window that decompressing a part of a compressed archive needs, as a power of two. */
export const WINDOW_LOG = 17;

/** `struct z_erofs_map_header` of a compressed inode, eight further bytes, and `struct z_erofs_lcluster_index`. */
export const CLUSTER_INDEX = {
  header: 16,
  advise: 4,
  algorithm: 6,
  clusterBits: 7,
  /** `Z_EROFS_ADVISE_BIG_PCLUSTER_1` */
  bigClusters: 2,
  /** `Z_EROFS_COMPRESSION_ZSTD` */
  zstd: 3,
  size: 8,
  /** Bytes of a logical cluster, and of a block, as powers of two. */
  bits: 12,
  blockBits: BLOCK_BITS,
  /** `Z_EROFS_LCLUSTER_TYPE_HEAD1`, `_NONHEAD`, and `Z_EROFS_LI_D0_CBLKCNT`. */
  head: 1,
  nonHead: 2,
  blockCount: 1 << 11,
} as const;

/** Where a compressed inode's records begin, and the block that stands for its device's first. */
export interface CompressedInode {
  readonly at: number;
  readonly base: number;
}

/** `struct erofs_inode_extended`. An inode's number (nid) is its place in units of 32 bytes. */
export const INODE = {
  size: 64,
  unit: 32,
  format: 0,
  xattrCount: 2,
  mode: 4,
  bytes: 8,
  /** Of a directory: its first block; of a device: its number; of a file: how long its chunks are. */
  union: 16,
  number: 20,
  uid: 24,
  gid: 28,
  mtime: 32,
  mtimeNs: 40,
  links: 44,
} as const;
export const EROFS_INODE_LAYOUT_EXTENDED = 1;
export const EROFS_INODE_FLAT_PLAIN = 0;
export const EROFS_INODE_COMPRESSED_FULL = 1;
export const EROFS_INODE_FLAT_INLINE = 2;
export const EROFS_INODE_CHUNK_BASED = 4;
export const EROFS_CHUNK_FORMAT_INDEXES = 0x20;

/** `struct erofs_inode_chunk_index`: which device, which block of it. */
export const CHUNK = { size: 8, device: 2, block: 4 } as const;
/** The longest chunk, in bits of its bytes: the format has five bits for how many blocks it has. */
export const MAX_CHUNK_BITS = BLOCK_BITS + 31;

/** `struct erofs_dirent`; the names stand behind those of a block. */
export const DIRENT = { size: 12, nid: 0, nameAt: 8, type: 10 } as const;
/** Types of directory entries by the upper four bits of a mode (include/linux/fs_types.h). */
export const FILE_TYPES: Readonly<Record<number, number>> = {
  8: 1,
  4: 2,
  2: 3,
  6: 4,
  1: 5,
  12: 6,
  10: 7,
};

/** `struct erofs_xattr_ibody_header` and `struct erofs_xattr_entry`, which is padded to four bytes. */
export const XATTR = { header: 12, entry: 4, nameLength: 0, prefix: 1, valueSize: 2 } as const;
/** Prefixes of names of attributes that stand as a number. */
export const EROFS_XATTR_INDEX_USER = 1;
export const EROFS_XATTR_INDEX_SECURITY = 6;
