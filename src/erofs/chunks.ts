/** Where the data of sparse files lie, in chunks of one size: each is in a device, or is a hole. */
import type { SparseMap } from "../aci/tar/sparse.ts";
import { BLOCK_BITS, BLOCK_SIZE, HOLE, MAX_BLOCKS, MAX_CHUNK_BITS } from "./format.ts";

/** Chunks of one file, at most: 8 bytes of the index each. */
const MAX_CHUNKS = 1 << 18;

/** The chunks of a file. */
export interface Chunks {
  /** Bytes of each, as a power of two. */
  readonly bits: number;
  /** The block in the device where each begins; {@linkcode HOLE} for a hole. */
  readonly blocks: readonly number[];
}

/** The smallest chunk that holds a whole file: 2^bits bytes, or the largest that there is. */
export function chunkBits(size: number): number {
  let bits = BLOCK_BITS;
  while (bits < MAX_CHUNK_BITS && 2 ** bits < size) bits++;
  return bits;
}

/**
 * Divides a sparse file into chunks.
 *
 * @param pieces offset in the file and length of each piece of data
 * @param dataOffset where the data begin in the archive
 * @returns undefined where chunks can't say it: data that do not begin at a block, or too many small pieces
 */
export function sparseChunks(
  pieces: Readonly<SparseMap>,
  size: number,
  dataOffset: number,
): Chunks | undefined {
  let bits = chunkBits(size);
  let at = dataOffset;
  for (let i = 0; i < pieces.length; i += 2) {
    const [offset = 0, length = 0] = [pieces[i], pieces[i + 1]];
    if (length === 0) continue;
    if (at % BLOCK_SIZE !== 0) return undefined;
    const end = offset + length;
    bits = Math.min(bits, factorsOfTwo(offset), end === size ? bits : factorsOfTwo(end));
    at += length;
  }
  if (bits < BLOCK_BITS) return undefined;
  const chunk = 2 ** bits;
  const count = Math.ceil(size / chunk);
  if (count > MAX_CHUNKS || at > MAX_BLOCKS * BLOCK_SIZE) return undefined;
  const blocks = new Array<number>(count).fill(HOLE);
  at = dataOffset;
  for (let i = 0; i < pieces.length; i += 2) {
    const [offset = 0, length = 0] = [pieces[i], pieces[i + 1]];
    for (let done = 0; done < length; done += chunk) {
      blocks[(offset + done) / chunk] = (at + done) / BLOCK_SIZE;
    }
    at += length;
  }
  return { bits, blocks };
}

/** How often a number can be halved. Zero can be for ever. */
function factorsOfTwo(number: number): number {
  if (number === 0) return MAX_CHUNK_BITS;
  let factors = 0;
  for (; number % 2 === 0; number /= 2) factors++;
  return factors;
}
