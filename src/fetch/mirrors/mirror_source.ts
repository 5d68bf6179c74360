/**
 * A file out of several mirrors at once, in pieces. Each mirror takes the next piece that nobody gets; where none is left to
 * begin, it gets one that a slower mirror has begun, and the first to have it wins. A mirror that fails, or whose piece has
 * another digest, is named and asked no more.
 */
import type { ByteSource } from "../../aci/bytes/source.ts";
import { concat } from "../../linux/bytes.ts";
import { Failure } from "../../failure.ts";
import type { Metalink } from "./metalink.ts";
import type { GetRange, RangeReply } from "./ranges.ts";

/** Bytes of a piece where the Metalink has none. */
const PIECE = 2 * 1024 * 1024;
/** Pieces for each mirror that may be there before their turn; and bytes, which memory is for. */
const AHEAD = 3;
const MOST_AHEAD = 64 * 1024 * 1024;

/** What a source tells, and asks. */
export interface MirrorOptions {
  readonly name: string;
  readonly getRange: GetRange;
  progress(received: number, total: number): void;
  /** A mirror that is asked no more, and why. */
  dropped(url: string, why: string): void;
  /** The piece to begin with. Default: the first one. */
  readonly from?: number;
}

/** Bytes of a piece of a file; the last one may be shorter. */
export const pieceLength = ({ pieces }: Metalink): number => pieces?.length ?? PIECE;

interface Piece {
  readonly number: number;
  readonly first: number;
  readonly last: number;
  bytes?: Uint8Array;
  /** Mirrors that get it now. */
  readonly getters: Set<string>;
  readonly replies: Set<RangeReply>;
}

/** The bytes of the file, in their order. */
export class MirrorSource implements ByteSource {
  readonly name: string;
  readonly #file: Metalink;
  readonly #options: MirrorOptions;
  readonly #length: number;
  readonly #count: number;
  readonly #pieces = new Map<number, Piece>();
  readonly #idle: (() => void)[] = [];
  readonly #lost: string[] = [];
  #mirrors: number;
  #next = 0;
  #received = 0;
  #over = false;
  #arrived: () => void = () => {};

  constructor(file: Metalink, options: MirrorOptions) {
    this.name = options.name;
    this.#file = file;
    this.#options = options;
    this.#length = pieceLength(file);
    this.#next = options.from ?? 0;
    this.#received = this.#next * this.#length;
    this.#count = Math.ceil(file.size / this.#length);
    this.#mirrors = file.urls.length;
    for (const url of file.urls) void this.#work(url);
  }

  /** @throws {Failure} where no mirror is left */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#next >= this.#count) return undefined;
    while (true) {
      const piece = this.#pieces.get(this.#next);
      if (piece?.bytes !== undefined) {
        this.#pieces.delete(this.#next++);
        this.#wake();
        return piece.bytes;
      }
      if (this.#mirrors === 0) {
        throw new Failure(`${this.name}: no mirror is left: ${this.#lost.join("; ")}`);
      }
      await new Promise<void>((resolve) => this.#arrived = resolve);
    }
  }

  [Symbol.dispose](): void {
    this.#over = true;
    for (const { replies } of this.#pieces.values()) for (const reply of replies) reply.cancel();
    this.#wake();
  }

  #wake(): void {
    for (const resume of this.#idle.splice(0)) resume();
  }

  /** What one mirror does, from the first piece to the last. */
  async #work(url: string): Promise<void> {
    while (!this.#over) {
      const piece = this.#choose(url);
      if (piece === undefined) {
        if (this.#next >= this.#count) return;
        await new Promise<void>((resolve) => this.#idle.push(resolve));
        continue;
      }
      piece.getters.add(url);
      try {
        await this.#get(url, piece);
      } catch (error) {
        if (this.#over || piece.bytes !== undefined) continue; // somebody else was faster
        const why = error instanceof Error ? error.message : String(error);
        this.#lost.push(why);
        this.#mirrors -= 1;
        this.#options.dropped(url, why);
        return;
      } finally {
        piece.getters.delete(url);
        this.#wake();
        this.#arrived();
      }
    }
  }

  /** The first piece that nobody gets, or else the first one that others get: as few as can be of these. */
  #choose(url: string): Piece | undefined {
    const room = Math.min(AHEAD * this.#file.urls.length, MOST_AHEAD / this.#length);
    const end = Math.min(this.#count, this.#next + Math.max(Math.floor(room), 1));
    let shared: Piece | undefined;
    for (let number = this.#next; number < end; number++) {
      const piece = this.#pieces.get(number) ?? this.#begin(number);
      if (piece.bytes !== undefined || piece.getters.has(url)) continue;
      if (piece.getters.size === 0) return piece;
      if (shared === undefined || piece.getters.size < shared.getters.size) shared = piece;
    }
    return shared;
  }

  #begin(number: number): Piece {
    const first = number * this.#length;
    const last = Math.min(first + this.#length, this.#file.size) - 1;
    const piece: Piece = { number, first, last, getters: new Set(), replies: new Set() };
    this.#pieces.set(number, piece);
    return piece;
  }

  async #get(url: string, piece: Piece): Promise<void> {
    const { first, last, number } = piece;
    const reply = await this.#options.getRange(url, first, last, this.#file.size);
    piece.replies.add(reply);
    try {
      if (piece.bytes !== undefined || this.#over) return;
      const chunks: Uint8Array[] = [];
      let size = 0;
      for (let chunk = await reply.read(); chunk !== undefined; chunk = await reply.read()) {
        size += chunk.length;
        if (size > last - first + 1) break;
        chunks.push(chunk.slice()); // it is valid until the next one
      }
      if (piece.bytes !== undefined) return;
      if (size !== last - first + 1) {
        throw new Failure(
          `${url}: sent ${size} bytes of the ${last - first + 1} of piece ${number}`,
        );
      }
      const bytes = concat(...chunks);
      await this.#check(url, number, bytes);
      if (piece.bytes !== undefined) return;
      piece.bytes = bytes;
      this.#received += bytes.length;
      this.#options.progress(this.#received, this.#file.size);
      for (const other of piece.replies) if (other !== reply) other.cancel();
    } finally {
      piece.replies.delete(reply);
      reply.cancel();
    }
  }

  async #check(url: string, number: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { pieces } = this.#file;
    if (pieces === undefined) return;
    const digest = new Uint8Array(await crypto.subtle.digest(pieces.algorithm, bytes)).toHex();
    if (digest === pieces.digests[number]) return;
    throw new Failure(`${url}: piece ${number} is not what the Metalink says`);
  }
}
