/**
 * Cuts an archive into chunks by what it contains, so that two versions of an image have most chunks in common wherever
 * something was inserted. A chunk begins at a header of tar where the one before is long enough, and inside of files where a
 * rolling sum of the last 32 bytes ("gear", as FastCDC has it) hits a pattern. The cuts are part of the format: whoever
 * changes them makes a new one, see `chunk_index.ts`.
 */

/** Bytes from which on a header of tar begins a new chunk. */
const LEAST_BEFORE_HEADER = 2048;
/** Bytes of a chunk at least, where no header cuts it. */
const LEAST = 8 * 1024;
/** Bytes of a chunk at most. */
export const MOST_CHUNK = 64 * 1024;
/** One position in 2^15 has these bits of the sum at zero. */
const PATTERN = 0xfffe_0000;

const BLOCK = 512;
/** `ustar`, at this offset of a header (POSIX.1-1988). */
const MAGIC = [0x75, 0x73, 0x74, 0x61, 0x72];
const MAGIC_OFFSET = 257;

const GEAR = gearTable();

/** Numbers that look random and are the same everywhere: murmur3's finalizer over 1 … 256. */
function gearTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    let h = Math.imul(i + 1, 0x9e37_79b9);
    h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
    return (h ^ (h >>> 16)) >>> 0;
  });
}

/** Takes an archive's bytes, and hands out its chunks: each is valid only during the call. */
export class Chunker {
  readonly #take: (chunk: Uint8Array<ArrayBuffer>) => void;
  readonly #buffer = new Uint8Array(1 << 19);
  /** Bytes of the archive before the buffer. */
  #base = 0;
  #fill = 0;
  /** Where the chunk under way begins, and how far it was looked at. */
  #start = 0;
  #at = 0;
  #sum = 0;

  constructor(take: (chunk: Uint8Array<ArrayBuffer>) => void) {
    this.#take = take;
  }

  push(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;) {
      if (this.#fill === this.#buffer.length) this.#shift();
      const part = bytes.subarray(from, from + this.#buffer.length - this.#fill);
      this.#buffer.set(part, this.#fill);
      this.#fill += part.length;
      from += part.length;
      this.#scan(this.#fill - BLOCK);
    }
  }

  end(): void {
    this.#scan(this.#fill);
    if (this.#start < this.#fill) this.#cut(this.#fill);
  }

  #shift(): void {
    this.#buffer.copyWithin(0, this.#start, this.#fill);
    this.#base += this.#start;
    this.#at -= this.#start;
    this.#fill -= this.#start;
    this.#start = 0;
  }

  #cut(end: number): void {
    this.#take(this.#buffer.subarray(this.#start, end));
    this.#start = end;
    this.#at = end;
    this.#sum = 0;
  }

  /** Looks at bytes up to an offset of the buffer, block by block of the archive. */
  #scan(end: number): void {
    while (this.#at < end) {
      const past = (this.#base + this.#at) % BLOCK;
      if (past === 0 && this.#at - this.#start >= LEAST_BEFORE_HEADER && this.#isHeader(this.#at)) {
        this.#cut(this.#at);
      }
      this.#scanBlock(Math.min(end, this.#at + BLOCK - past));
    }
  }

  #scanBlock(end: number): void {
    const buffer = this.#buffer;
    const from = Math.max(this.#at, Math.min(end, this.#start + LEAST));
    const most = Math.min(end, this.#start + MOST_CHUNK);
    let sum = this.#sum;
    for (let at = from; at < most; at++) {
      sum = (sum << 1) + (GEAR[buffer[at] ?? 0] ?? 0) | 0;
      if ((sum & PATTERN) === 0) return this.#cut(at + 1);
    }
    if (most === this.#start + MOST_CHUNK) return this.#cut(most);
    this.#sum = sum;
    this.#at = end;
  }

  #isHeader(at: number): boolean {
    return MAGIC.every((byte, i) => this.#buffer[at + MAGIC_OFFSET + i] === byte);
  }
}
