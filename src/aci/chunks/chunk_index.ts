/**
 * The index of an image's chunks, which lies beside it as `NAME.aci.chunks`: a line of JSON, then 22 bytes for each chunk of
 * the uncompressed archive, in their order:
 *
 *     3 bytes   how many bytes the chunk has (big-endian, as below)
 *     3 bytes   how many bytes it has in NAME.aci.pieces, compressed by itself (raw DEFLATE, RFC 1951)
 *     16 bytes  the first half of its SHA-256
 *
 * NAME.aci.pieces has the chunks one behind the other. Nobody vouches for an index: it is a hint where equal bytes may be had.
 * What vouches for the image is a signature over its ID, NAME.aci.id.asc.
 */
import { AppcError } from "../../appc/error.ts";
import { type JsonObject, parseJsonObject } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import { MOST_CHUNK } from "./chunker.ts";

/** What the index of an image is called: the image's name and this. */
export const CHUNKS = ".chunks";
/** What the file with the chunks is called. */
export const PIECES = ".pieces";
/** What the signature over the image ID is called. */
export const ID_SIGNATURE = ".id.asc";

/** Names the cuts of `chunker.ts` too. */
const FORMAT = "rkt-chunks-1";
const RECORD = 22;
/** Bytes of a digest. */
const DIGEST = 16;
/** Bytes of the line at most. */
const MOST_LINE = 4096;
/** Bytes of an index at most: that of some 5 GB. Read, it takes some fifteen times as many. */
export const MOST_INDEX = 4 << 20;
/** More than DEFLATE makes of {@linkcode MOST_CHUNK} bytes that nothing compresses. */
const MOST_PIECE = MOST_CHUNK + 1024;

/** The text that a signature over an image ID is over. */
export const idText = (imageId: string): string => `${imageId}\n`;

/** A chunk of an image. */
export interface Chunk {
  /** Bytes. */
  readonly size: number;
  /** Where it is in the file of pieces, compressed. */
  readonly at: number;
  /** Bytes there. */
  readonly compressed: number;
  /** 16 bytes in hexadecimal digits. */
  readonly digest: string;
}

/** What an index says. */
export interface ChunkIndex {
  /** `sha512-` and 128 hexadecimal digits. */
  readonly imageId: string;
  /** The image's name. */
  readonly name: string;
  /** Bytes of the uncompressed archive. */
  readonly size: number;
  /** Bytes of the file with the pieces. */
  readonly piecesSize: number;
  readonly chunks: readonly Chunk[];
}

/** The bytes of an index. */
export function chunkIndexBytes(index: ChunkIndex): Uint8Array<ArrayBuffer> {
  const { imageId, name, size, piecesSize, chunks } = index;
  const line = new TextEncoder().encode(
    `${JSON.stringify({ format: FORMAT, imageID: imageId, name, size, piecesSize })}\n`,
  );
  const bytes = new Uint8Array(line.length + RECORD * chunks.length);
  bytes.set(line);
  const view = new DataView(bytes.buffer, line.length);
  chunks.forEach(({ size, compressed, digest }, i) => {
    const at = i * RECORD;
    view.setUint8(at, size >> 16);
    view.setUint16(at + 1, size & 0xffff);
    view.setUint8(at + 3, compressed >> 16);
    view.setUint16(at + 4, compressed & 0xffff);
    bytes.set(Uint8Array.fromHex(digest), line.length + at + 6);
  });
  return bytes;
}

/**
 * Reads an index.
 *
 * @param what its URL, for messages
 * @throws {Failure} where it is none
 */
export function parseChunkIndex(bytes: Uint8Array, what: string): ChunkIndex {
  const wrong = (why: string) => new Failure(`${what}: is no index of chunks: ${why}`);
  const end = bytes.subarray(0, MOST_LINE).indexOf(0x0a);
  if (end < 0) throw wrong("it has no first line");
  const head = headOf(new TextDecoder().decode(bytes.subarray(0, end)));
  if (head === undefined) throw wrong(`its first line is not that of ${FORMAT}`);
  const records = bytes.subarray(end + 1);
  if (records.length % RECORD !== 0) throw wrong("it is cut short");
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  const chunks: Chunk[] = [];
  let [total, at] = [0, 0];
  for (let offset = 0; offset < records.length; offset += RECORD) {
    const size = view.getUint8(offset) * 65_536 + view.getUint16(offset + 1);
    const compressed = view.getUint8(offset + 3) * 65_536 + view.getUint16(offset + 4);
    if (size === 0 || size > MOST_CHUNK || compressed === 0 || compressed > MOST_PIECE) {
      throw wrong(`chunk ${chunks.length} has ${size} bytes, and ${compressed} compressed`);
    }
    const digest = records.subarray(offset + 6, offset + 6 + DIGEST).toHex();
    chunks.push({ size, at, compressed, digest });
    total += size;
    at += compressed;
  }
  if (total !== head.size || at !== head.piecesSize) {
    throw wrong("its chunks are not those of the whole image");
  }
  return { ...head, chunks };
}

function headOf(line: string): Omit<ChunkIndex, "chunks"> | undefined {
  const { format, imageID, name, size, piecesSize } = objectOf(line) ?? {};
  const isId = typeof imageID === "string" && /^sha512-[0-9a-f]{128}$/.test(imageID);
  const isKnown = format === FORMAT && isId && typeof name === "string";
  if (!isKnown || !isCount(size) || !isCount(piecesSize)) return undefined;
  return { imageId: imageID, name, size, piecesSize };
}

function objectOf(line: string): JsonObject | undefined {
  try {
    return parseJsonObject(line);
  } catch (error) {
    if (error instanceof AppcError) return undefined;
    throw error;
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0;

/** The digest of a chunk, as an index has it. */
export async function chunkDigester(): Promise<(chunk: Uint8Array) => string> {
  const { createHash } = await import("node:crypto");
  return (chunk) => createHash("sha256").update(chunk).digest("hex").slice(0, 2 * DIGEST);
}
