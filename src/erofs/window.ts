/** Writes a file from its beginning to its end with numbers at given places, in pieces of bounded size. */

const WINDOW_SIZE = 1 << 18;
/** How far back from the furthest place so far something may still be written: a block, and an inode with attributes. */
const BACK = 1 << 12;

/** What is written lies at or after everything before it, but for {@linkcode BACK} bytes; between are zeros. */
export class Window {
  #base = 0;
  #buffer = new Uint8Array(WINDOW_SIZE);
  #view = new DataView(this.#buffer.buffer);
  readonly #write: (bytes: Uint8Array<ArrayBuffer>) => void;

  /** @param write takes the next bytes; they are valid during the call */
  constructor(write: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#write = write;
  }

  u8(at: number, value: number): void {
    this.#view.setUint8(this.#reach(at, 1), value);
  }

  u16(at: number, value: number): void {
    this.#view.setUint16(this.#reach(at, 2), value, true);
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(this.#reach(at, 4), value, true);
  }

  /** A number below 2^53. */
  u64(at: number, value: number): void {
    const local = this.#reach(at, 8);
    this.#view.setUint32(local, value % 0x1_0000_0000, true);
    this.#view.setUint32(local + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  /** A whole number that may be negative. */
  i64(at: number, value: number): void {
    const local = this.#reach(at, 8);
    // `>>> 0`: the remainder of a negative number is negative.
    this.#view.setUint32(local, value % 0x1_0000_0000 >>> 0, true);
    this.#view.setInt32(local + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  bytes(at: number, bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; from += BACK) {
      const part = bytes.subarray(from, from + BACK);
      this.#buffer.set(part, this.#reach(at + from, part.length));
    }
  }

  /** Writes what is left, and zeros up to `size`. */
  finish(size: number): void {
    while (this.#base < size) this.#flush(Math.min(size - this.#base, this.#buffer.length));
  }

  /** Moves the window forward until it has some bytes. Returns their place in it. */
  #reach(at: number, size: number): number {
    while (at + size > this.#base + this.#buffer.length) {
      this.#flush(this.#buffer.length - BACK);
    }
    const local = at - this.#base;
    if (local < 0) throw new RangeError(`byte ${at} is written already`);
    return local;
  }

  #flush(size: number): void {
    this.#write(this.#buffer.subarray(0, size));
    this.#buffer.copyWithin(0, size);
    this.#buffer.fill(0, this.#buffer.length - size);
    this.#base += size;
  }
}
