/**
 * AES in the mode CFB, of node:crypto's ECB and CBC: Deno's has no CFB. A key stream is what the cipher makes of the
 * ciphertext, which is there as a whole when decrypting. When encrypting, K(i+1) = E(P(i) xor K(i)): that is CBC over the
 * plaintext.
 */
import { createCipheriv } from "node:crypto";

const BLOCK = 16;

/** Takes bytes whose number is a multiple of 16, but for the last. */
export interface Cipher {
  /** The same bytes, changed; a new array. */
  update(bytes: Uint8Array): Uint8Array<ArrayBuffer>;
}

const blocks = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

function xored(bytes: Uint8Array, stream: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = blocks(bytes.length);
  const out = new Uint8Array(size);
  out.set(bytes);
  const words = new Uint32Array(out.buffer);
  const keys = new Uint32Array(stream.slice(0, size).buffer);
  for (let i = 0; i < words.length; i++) words[i] = (words[i] ?? 0) ^ (keys[i] ?? 0);
  return out.subarray(0, bytes.length);
}

/** Decrypts; the vector is zero, as OpenPGP has it (RFC 9580 §5.13.1). */
export function cfbDecipher(key: Uint8Array): Cipher {
  const ecb = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false);
  let before = new Uint8Array(BLOCK);
  return {
    update(bytes) {
      const input = new Uint8Array(blocks(bytes.length));
      input.set(before);
      input.set(bytes.subarray(0, input.length - BLOCK), BLOCK);
      const stream = new Uint8Array(ecb.update(input));
      before = bytes.slice(-BLOCK);
      return xored(bytes, stream);
    },
  };
}

/** Encrypts; the vector is zero. */
export function cfbCipher(key: Uint8Array): Cipher {
  const zero = new Uint8Array(BLOCK);
  const cbc = createCipheriv(`aes-${key.length * 8}-cbc`, key, zero).setAutoPadding(false);
  let next = new Uint8Array(cbc.update(zero));
  return {
    update(bytes) {
      const size = blocks(bytes.length);
      const input = new Uint8Array(size);
      input.set(bytes);
      const made = new Uint8Array(cbc.update(input));
      const stream = new Uint8Array(size);
      stream.set(next);
      stream.set(made.subarray(0, size - BLOCK), BLOCK);
      next = made.slice(-BLOCK);
      return xored(bytes, stream);
    },
  };
}
