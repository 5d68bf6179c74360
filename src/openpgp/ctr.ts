/** AES in counter mode (NIST SP 800-38A §6.5), by batches of blocks: node:crypto's own takes twice the CPU's time in Deno. */
import { blockCipher, type Cipher, exclusiveOr } from "./cfb.ts";
import { type Libcrypto, libcrypto } from "./libcrypto.ts";

const BLOCK = 16;

/**
 * A cipher that encrypts and decrypts alike, however many bytes come at a time.
 *
 * @param first the counter's first value, 16 bytes
 * @param library `none`: node:crypto is used, whatever is installed
 */
export function ctr(
  key: Uint8Array,
  first: Uint8Array,
  library: Libcrypto | "none" = libcrypto() ?? "none",
): Cipher {
  const cipher = blockCipher(key, library);
  const counter = new Counter(first);
  let stream = new Uint8Array(0);
  /** Bytes of the last block's stream that were not needed yet; they stand at its end. */
  let left = 0;
  const last = new Uint8Array(BLOCK);
  return {
    update(bytes) {
      const before = Math.min(left, bytes.length);
      exclusiveOr(bytes.subarray(0, before), last.slice(BLOCK - left, BLOCK - left + before));
      left -= before;
      const rest = bytes.subarray(before);
      if (rest.length === 0) return;
      const size = Math.ceil(rest.length / BLOCK) * BLOCK;
      if (stream.length < size) stream = new Uint8Array(size);
      const keys = stream.subarray(0, size);
      counter.fill(keys);
      cipher.update(keys);
      exclusiveOr(rest, keys);
      last.set(keys.subarray(-BLOCK));
      left = size - rest.length;
    },
    [Symbol.dispose]: () => cipher[Symbol.dispose](),
  };
}

/** A number of 128 bits, the highest byte first, that grows by one a block. */
class Counter {
  readonly #words: Uint32Array;

  constructor(first: Uint8Array) {
    const view = new DataView(first.buffer, first.byteOffset, BLOCK);
    this.#words = Uint32Array.from([0, 4, 8, 12], (at) => view.getUint32(at));
  }

  fill(blocks: Uint8Array): void {
    const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.length);
    for (let at = 0; at < blocks.length; at += BLOCK) {
      for (let i = 0; i < 4; i++) view.setUint32(at + 4 * i, this.#words[i] ?? 0);
      this.#increment();
    }
  }

  #increment(): void {
    for (let i = 3; i >= 0; i--) {
      const next = ((this.#words[i] ?? 0) + 1) >>> 0;
      this.#words[i] = next;
      if (next !== 0) return;
    }
  }
}
