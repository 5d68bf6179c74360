/**
 * Compressing pieces of files: by libzstd on other threads, several at once, where it is installed; else by node:zlib, one after
 * the other. Both make frames of the same form.
 */
import zlib from "node:zlib";
import type { LibzstdCompressor } from "../../linux/compression_libraries.ts";
import { LONGEST_PIECE, WINDOW_LOG } from "./format.ts";

/** As fast as reading a disk, and two thirds of what is there to be gained. */
const LEVEL = 1;
/** `ZSTD_cParameter` (zstd.h). */
const ZSTD_C_COMPRESSION_LEVEL = 100;
const ZSTD_C_WINDOW_LOG = 101;
/** More than `ZSTD_COMPRESSBOUND` of the longest piece. */
const MOST_OUTPUT = LONGEST_PIECE + 1024;
/** To hand smaller pieces to another thread takes as long as to compress them. */
const LEAST_BESIDE = 1 << 13;
/** Slots for each processor: while the pieces of some are compressed, others are filled, and written. */
const SLOTS_PER_PROCESSOR = 3;
/** Each takes less than a megabyte. */
const MOST_SLOTS = 12;

/** A place for one piece. */
export interface PieceSlot extends Disposable {
  /** To be filled by the caller. */
  readonly input: Uint8Array<ArrayBuffer>;
  /**
   * Compresses the first bytes of the input.
   *
   * @returns the frame, valid until the next call; in time where another thread makes it, and until then the slot must not be
   * disposed
   */
  compress(size: number): Uint8Array | Promise<Uint8Array>;
}

/**
 * The slots of one layer.
 *
 * @param library undefined where there is none
 */
export function pieceSlots(library: LibzstdCompressor | undefined): readonly PieceSlot[] {
  if (library === undefined) return [portableSlot()];
  const count = Math.min(MOST_SLOTS, SLOTS_PER_PROCESSOR * navigator.hardwareConcurrency);
  return Array.from({ length: count }, () => librarySlot(library));
}

function librarySlot(library: LibzstdCompressor): PieceSlot {
  const context = library.ZSTD_createCCtx();
  library.ZSTD_CCtx_setParameter(context, ZSTD_C_COMPRESSION_LEVEL, LEVEL);
  library.ZSTD_CCtx_setParameter(context, ZSTD_C_WINDOW_LOG, WINDOW_LOG);
  const [input, output] = [new Uint8Array(LONGEST_PIECE), new Uint8Array(MOST_OUTPUT)];
  const frame = (size: bigint): Uint8Array => {
    if (library.ZSTD_isError(size) !== 0) throw new Error(`libzstd: error ${size}`);
    return output.subarray(0, Number(size));
  };
  return {
    input,
    compress(size) {
      const words = [context, output, BigInt(MOST_OUTPUT), input, BigInt(size)] as const;
      return size < LEAST_BESIDE
        ? frame(library.ZSTD_compress2(...words))
        : library.compressBeside(...words).then(frame);
    },
    [Symbol.dispose]: () => void library.ZSTD_freeCCtx(context),
  };
}

function portableSlot(): PieceSlot {
  const input = new Uint8Array(LONGEST_PIECE);
  const params = { [zlib.constants.ZSTD_c_windowLog]: WINDOW_LOG };
  return {
    input,
    compress: (size) => compressedWhole(input.subarray(0, size), params),
    [Symbol.dispose]: () => {},
  };
}

/**
 * One frame. It says its size, so it needs no window of its own.
 *
 * @param params more than the level
 */
export function compressedWhole(
  bytes: Uint8Array,
  params: Readonly<Record<number, number>> = {},
): Uint8Array {
  // `pledgedSrcSize` is Node's, and @types/node does not know it yet.
  const options = {
    pledgedSrcSize: bytes.length,
    params: { [zlib.constants.ZSTD_c_compressionLevel]: LEVEL, ...params },
  };
  return zlib.zstdCompressSync(bytes, options);
}
