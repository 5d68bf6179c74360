/**
 * How a layer is kept compressed: so that each file's data can be read by itself, by the kernel's EROFS too, and that the
 * tar comes out again byte by byte.
 *
 *     data       in blocks of 512 bytes, in the order of the tar: the pieces of files, and frames with all else of it
 *     table      what the tar consists of, a record each; one frame of zstd
 *     trailer    one block: where the table is
 *
 * Files of this kind are only made here, and never fetched: the kernel reads them by what the table says.
 */

/** Data begin at multiples of this, which is also a block of an index (src/erofs/format.ts). */
export const BLOCK = 512;

/** Bytes of a file that are compressed together. */
export const CLUSTER = 1 << 16;

/**
 * What the kernel calls a logical cluster. A piece that is compressed is longer than one, because the format can say the
 * size of such only.
 */
export const LOGICAL_CLUSTER = 1 << 12;

/** The largest piece: its last bytes would be too few for a piece of their own. */
export const LONGEST_PIECE = CLUSTER + LOGICAL_CLUSTER;

/** Bytes of the largest window that a decompressor needs, as a power of two: it holds the longest piece. */
export const WINDOW_LOG = 17;

/** What a record stands for. */
export const KIND = {
  /** A piece of a file, as it is; then all of that file's are. */
  plain: 0,
  /** A piece of a file, one frame of zstd; zeros in front of it fill its blocks. */
  zstd: 1,
  /** Bytes between files, which lie in frames of the kind below, one after the other. */
  between: 2,
  /** Not of the tar: a frame of zstd with bytes between files, at the beginning of its blocks. */
  frame: 3,
} as const;

/** A record's kind stands above so many bits of its blocks. */
export const KIND_SHIFT = 28;
/** Words of 32 bits of a record: bytes (of the tar; of a frame: of itself), and kind with blocks. */
export const RECORD_WORDS = 2;

/** Where the trailer's fields are. */
export const TRAILER = { magic: 0, tarSize: 16, tableAt: 24, tableBytes: 32, records: 40 } as const;
export const MAGIC = "rkt layer 1\n";
