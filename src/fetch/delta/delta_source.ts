/** An image's archive out of chunks that the store has, and of ranges of the file that has all of them. */
import { inflateRawSync } from "node:zlib";
import type { Chunk, ChunkIndex } from "../../aci/chunks/chunk_index.ts";
import type { ByteSource } from "../../aci/bytes/source.ts";
import { Failure } from "../../failure.ts";
import type { GetRange } from "../mirrors/ranges.ts";
import type { BaseChunks } from "./base_chunks.ts";

/** Bytes that nobody needs and that are cheaper to get than one more request. */
const GAP = 2048;
/** Bytes of a range at most, and ranges that are on their way at once. */
const MOST_RANGE = 1 << 20;
const AHEAD = 6;
/** Tries for a range whose connection breaks. */
const TRIES = 4;

/** Bytes that chunks may unpack to in any case; and how many times as many as have come. See `early_verdict.ts`. */
export const FREE = 64 << 20;
export const RATIO = 16;

/** What a source needs. */
export interface DeltaOptions {
  /** The image's URL, for messages. */
  readonly name: string;
  /** Where the pieces are. */
  readonly pieces: string;
  readonly base: BaseChunks;
  readonly digestOf: (chunk: Uint8Array) => string;
  readonly getRange: GetRange;
  progress(received: number, total: number): void;
}

/** Neighbours among the chunks that have to be fetched. */
interface Range {
  /** The first and the last chunk's numbers. */
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly last: number;
}

/** The bytes of an archive, each chunk compared with the index before it is handed out. */
export class DeltaSource implements ByteSource {
  readonly name: string;
  /** Bytes that are fetched. */
  readonly wanted: number;
  readonly #index: ChunkIndex;
  readonly #options: DeltaOptions;
  readonly #ranges: readonly Range[];
  readonly #coming: (Promise<Uint8Array> | undefined)[] = [];
  readonly #replies = new Set<{ cancel(): void }>();
  #chunk = 0;
  #range = 0;
  #received = 0;
  #unpacked = 0;
  #over = false;

  constructor(index: ChunkIndex, options: DeltaOptions) {
    this.name = options.name;
    this.#index = index;
    this.#options = options;
    this.#ranges = missing(index.chunks, options.base);
    this.wanted = this.#ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  /** @throws {Failure} where a chunk is not what the index says */
  async read(): Promise<Uint8Array | undefined> {
    const chunk = this.#index.chunks[this.#chunk];
    if (chunk === undefined) return undefined;
    const number = this.#chunk++;
    const { base, digestOf } = this.#options;
    const range = this.#ranges[this.#range];
    if (range !== undefined && number >= range.from) {
      const bytes = await this.#fetched(range, chunk);
      if (number === range.to) this.#coming[this.#range++] = undefined;
      return bytes;
    }
    const bytes = base.read(chunk.digest, chunk.size);
    if (bytes.length === chunk.size && digestOf(bytes) === chunk.digest) return bytes;
    // The archive in the store is damaged, or was changed.
    const alone = { from: number, to: number, first: chunk.at, last: endOf(chunk) - 1 };
    return this.#unpack(chunk, await this.#get(alone));
  }

  async #fetched(range: Range, chunk: Chunk): Promise<Uint8Array> {
    for (let ahead = this.#range; ahead < this.#range + AHEAD; ahead++) {
      const next = this.#ranges[ahead];
      if (next === undefined || this.#coming[ahead] !== undefined) continue;
      const coming = this.#get(next);
      coming.catch(() => {}); // told when its turn comes
      this.#coming[ahead] = coming;
    }
    const bytes = await this.#coming[this.#range] ?? new Uint8Array();
    return this.#unpack(chunk, bytes.subarray(chunk.at - range.first, endOf(chunk) - range.first));
  }

  #unpack(chunk: Chunk, compressed: Uint8Array): Uint8Array {
    const { name, digestOf, pieces } = this.#options;
    this.#unpacked += chunk.size;
    if (this.#unpacked > FREE + RATIO * this.#received) {
      throw new Failure(`${name}: its chunks unpack to more than an image should`);
    }
    try {
      const bytes = new Uint8Array(
        inflateRawSync(compressed, { maxOutputLength: chunk.size + 1 }),
      );
      if (bytes.length === chunk.size && digestOf(bytes) === chunk.digest) return bytes;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
    throw new Failure(`${pieces}: what it has at byte ${chunk.at} is not what the index says`);
  }

  async #get(range: Range): Promise<Uint8Array> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#once(range);
      } catch (error) {
        if (this.#over || attempt === TRIES || !(error instanceof Failure)) throw error;
      }
    }
  }

  async #once({ first, last }: Range): Promise<Uint8Array> {
    const { pieces, getRange, progress } = this.#options;
    const reply = await getRange(pieces, first, last, this.#index.piecesSize);
    this.#replies.add(reply);
    try {
      const bytes = new Uint8Array(last - first + 1);
      let fill = 0;
      for (let part = await reply.read(); part !== undefined; part = await reply.read()) {
        if (fill + part.length > bytes.length) {
          throw new Failure(`${pieces}: sends more than the range that it was asked for`);
        }
        bytes.set(part, fill);
        fill += part.length;
        this.#received += part.length;
        progress(this.#received, this.wanted);
      }
      if (fill === bytes.length) return bytes;
      throw new Failure(`${pieces}: sent ${fill} of ${bytes.length} bytes`);
    } finally {
      this.#replies.delete(reply);
      reply.cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#over = true;
    for (const reply of this.#replies) reply.cancel();
  }
}

const endOf = ({ at, compressed }: Chunk): number => at + compressed;

/** The ranges that have all chunks that the store lacks, in their order. */
function missing(chunks: readonly Chunk[], base: BaseChunks): Range[] {
  const ranges: Range[] = [];
  chunks.forEach((chunk, number) => {
    if (base.has(chunk.digest)) return;
    const last = ranges.at(-1);
    const end = endOf(chunk) - 1;
    const isNear = last !== undefined && chunk.at - last.last - 1 <= GAP &&
      end - last.first < MOST_RANGE;
    if (isNear) ranges[ranges.length - 1] = { ...last, to: number, last: end };
    else ranges.push({ from: number, to: number, first: chunk.at, last: end });
  });
  return ranges;
}
