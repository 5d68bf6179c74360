/** What a compressed layer consists of: its table, in memory. */
import zlib from "node:zlib";
import { ArchiveError } from "../../aci/bytes/archive_error.ts";
import { BLOCK, KIND, KIND_SHIFT, MAGIC, RECORD_WORDS, TRAILER } from "./format.ts";

/** Records of one layer: what is held in memory. A file of 64 GiB has a million of them. */
const MAX_RECORDS = 1 << 26;

/** The records of a layer, by their numbers. */
export class LayerMap {
  readonly #words: Uint32Array;
  /** Where each begins: in the tar; of a frame: in the bytes between files. */
  readonly #from: Float64Array;
  /** The first block of each. */
  readonly #block: Uint32Array;
  /** The frames, and where what they have begins among the bytes between files. */
  readonly frames: readonly number[];
  /** Where bytes between files begin among all of these, by record. */
  readonly #between: Float64Array;

  /** @param words the table */
  constructor(words: Uint32Array, readonly count: number) {
    this.#words = words;
    this.#from = new Float64Array(count);
    this.#block = new Uint32Array(count);
    this.#between = new Float64Array(count);
    const frames: number[] = [];
    let [at, block, between] = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const kind = this.kind(i);
      this.#from[i] = at;
      this.#block[i] = block;
      this.#between[i] = between;
      block += this.blocks(i);
      if (kind === KIND.frame) frames.push(i);
      else at += this.bytes(i);
      if (kind === KIND.between) between += this.bytes(i);
    }
    this.frames = frames;
  }

  kind(record: number): number {
    return (this.#words[record * RECORD_WORDS + 1] ?? 0) >>> KIND_SHIFT;
  }

  /** Of the tar; of a frame: how long it is. */
  bytes(record: number): number {
    return this.#words[record * RECORD_WORDS] ?? 0;
  }

  blocks(record: number): number {
    return (this.#words[record * RECORD_WORDS + 1] ?? 0) & ((1 << KIND_SHIFT) - 1);
  }

  /** The record's first block. */
  block(record: number): number {
    return this.#block[record] ?? 0;
  }

  /** Where the record's bytes begin in the tar. */
  from(record: number): number {
    return this.#from[record] ?? 0;
  }

  /** Where the record's bytes begin among those between files. */
  between(record: number): number {
    return this.#between[record] ?? 0;
  }

  /** Whether it is a piece of a file in a frame of zstd. */
  isCompressed(record: number): boolean {
    return this.kind(record) === KIND.zstd;
  }

  /** The record that a byte of the tar lies in. */
  find(offset: number): number {
    let [low, high] = [0, this.count - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.from(middle) <= offset) low = middle;
      else high = middle - 1;
    }
    // A frame begins where the next record does, and has no bytes of the tar.
    while (low < this.count && this.kind(low) === KIND.frame) low++;
    return low;
  }
}

/** What the trailer says. */
export interface LayerHead {
  readonly tarSize: number;
  readonly map: LayerMap;
}

/**
 * Reads the table of a layer.
 *
 * @throws {ArchiveError} where it is damaged
 */
export function readLayerHead(file: Deno.FsFile, name: string): LayerHead {
  const damaged = (why: string) => new ArchiveError(`${name}: is damaged: ${why}`);
  const size = file.statSync().size;
  if (size < BLOCK) throw damaged("it has no trailer");
  const trailer = readAt(file, size - BLOCK, BLOCK, name);
  const view = new DataView(trailer.buffer);
  const field = (at: number) => Number(view.getBigUint64(at, true));
  if (new TextDecoder().decode(trailer.subarray(0, MAGIC.length)) !== MAGIC) {
    throw damaged("it has no trailer");
  }
  const [at, bytes] = [field(TRAILER.tableAt), field(TRAILER.tableBytes)];
  const records = field(TRAILER.records);
  const length = records * RECORD_WORDS * Uint32Array.BYTES_PER_ELEMENT;
  if (records > MAX_RECORDS || at + bytes > size) throw damaged("its trailer is wrong");
  let table: Uint8Array;
  try {
    table = zlib.zstdDecompressSync(readAt(file, at, bytes, name), { maxOutputLength: length + 1 });
  } catch {
    throw damaged("its table can't be decompressed");
  }
  if (table.length !== length) throw damaged("its table is too short");
  return {
    tarSize: field(TRAILER.tarSize),
    map: new LayerMap(new Uint32Array(table.slice().buffer), records),
  };
}

/** Bytes of a file. */
export function readAt(
  file: Deno.FsFile,
  from: number,
  length: number,
  name: string,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seekSync(from, Deno.SeekMode.Start);
  for (let at = 0; at < length;) {
    const n = file.readSync(bytes.subarray(at));
    if (n === null) throw new ArchiveError(`${name}: is cut short`);
    at += n;
  }
  return bytes;
}
