/**
 * AES in the mode CFB with a vector of zeros, as OpenPGP has it (RFC 9580 §5.13.1): by OpenSSL's libcrypto where it is
 * installed, else by node:crypto, of which Deno's has no CFB.
 */
import { createCipheriv } from "node:crypto";
import { type Libcrypto, libcrypto } from "./libcrypto.ts";

const BLOCK = 16;

/** Takes bytes whose number is a multiple of 16, but for the last. */
export interface Cipher extends Disposable {
  /** Changes the bytes where they are. */
  update(bytes: Uint8Array<ArrayBuffer>): void;
}

/** Which way to go. */
export type Direction = "encrypt" | "decrypt";

/**
 * A cipher.
 *
 * @param library `none`: node:crypto is used, whatever is installed
 */
export function cfb(
  key: Uint8Array,
  direction: Direction,
  library: Libcrypto | "none" = libcrypto() ?? "none",
): Cipher {
  if (direction === "decrypt") return decryption(blockCipher(key, library));
  return library === "none" ? portableEncryption(key) : nativeEncryption(library, key);
}

/** Encrypts each block by itself: what modes are made of. */
export function blockCipher(key: Uint8Array, library: Libcrypto | "none"): Cipher {
  return library === "none" ? portableBlocks(key) : nativeBlocks(library, key);
}

/** A context of libcrypto: changes bytes where they are. */
function native(library: Libcrypto, key: Uint8Array, kind: Deno.PointerValue): Cipher {
  const context = library.EVP_CIPHER_CTX_new();
  const checked = (result: number) => {
    if (result !== 1) throw new Error("libcrypto refuses to encrypt");
  };
  const [ownKey, vector] = [new Uint8Array(key), new Uint8Array(BLOCK)];
  checked(library.EVP_CipherInit_ex(context, kind, null, ownKey, vector, 1));
  const written = new Uint8Array(4);
  let isOpen = true;
  return {
    update(bytes) {
      // Nothing has an address that could be passed.
      if (bytes.length === 0) return;
      checked(library.EVP_CipherUpdate(context, bytes, written, bytes, bytes.length));
    },
    [Symbol.dispose]() {
      if (isOpen) library.EVP_CIPHER_CTX_free(context);
      isOpen = false;
    },
  };
}

function nativeEncryption(library: Libcrypto, key: Uint8Array): Cipher {
  const kinds = {
    16: library.EVP_aes_128_cfb128,
    24: library.EVP_aes_192_cfb128,
    32: library.EVP_aes_256_cfb128,
  };
  return native(library, key, kinds[keySize(key)]());
}

/** Each block by itself, encrypted. libcrypto's own CFB takes ten times as long, because it goes block by block. */
function nativeBlocks(library: Libcrypto, key: Uint8Array): Cipher {
  const kinds = {
    16: library.EVP_aes_128_ecb,
    24: library.EVP_aes_192_ecb,
    32: library.EVP_aes_256_ecb,
  };
  return native(library, key, kinds[keySize(key)]());
}

function portableBlocks(key: Uint8Array): Cipher {
  const ecb = createCipheriv(`aes-${keySize(key) * 8}-ecb`, key, null).setAutoPadding(false);
  return { update: (bytes) => bytes.set(ecb.update(bytes)), [Symbol.dispose]: () => {} };
}

function keySize({ length }: Uint8Array): 16 | 24 | 32 {
  if (length === 16 || length === 24 || length === 32) return length;
  throw new TypeError(`AES has no keys of ${length} bytes`);
}

const blocks = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/** Exclusive or, into the first ones; fast where both begin at a word. */
export function exclusiveOr(bytes: Uint8Array<ArrayBuffer>, stream: Uint8Array<ArrayBuffer>): void {
  let done = 0;
  if (bytes.byteOffset % 4 === 0 && stream.byteOffset % 4 === 0) {
    const count = Math.floor(bytes.length / 4);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, count);
    const keys = new Uint32Array(stream.buffer, stream.byteOffset, count);
    for (let i = 0; i < count; i++) words[i] = (words[i] ?? 0) ^ (keys[i] ?? 0);
    done = count * 4;
  }
  for (let i = done; i < bytes.length; i++) bytes[i] = (bytes[i] ?? 0) ^ (stream[i] ?? 0);
}

/**
 * A key stream is what the cipher makes of the ciphertext, which is there as a whole.
 *
 * @param cipher encrypts each block by itself
 */
function decryption(cipher: Cipher): Cipher {
  let stream = new Uint8Array(0);
  const before = new Uint8Array(BLOCK);
  return {
    update(bytes) {
      const size = blocks(bytes.length);
      if (stream.length < BLOCK + size) stream = new Uint8Array(BLOCK + size);
      stream.set(before);
      stream.set(bytes, BLOCK);
      if (bytes.length >= BLOCK) before.set(bytes.subarray(-BLOCK));
      const keys = stream.subarray(0, size);
      cipher.update(keys);
      exclusiveOr(bytes, keys);
    },
    [Symbol.dispose]: () => cipher[Symbol.dispose](),
  };
}

/** K(i+1) = E(P(i) xor K(i)): that is CBC over the plaintext. Of AES-192 Deno's node:crypto has none. */
function portableEncryption(key: Uint8Array): Cipher {
  const zero = new Uint8Array(BLOCK);
  const cbc = createCipheriv(`aes-${key.length * 8}-cbc`, key, zero).setAutoPadding(false);
  let next = new Uint8Array(cbc.update(zero));
  return {
    update(bytes) {
      if (bytes.length === 0) return;
      const input = new Uint8Array(blocks(bytes.length));
      input.set(bytes);
      const made = new Uint8Array(cbc.update(input));
      exclusiveOr(bytes.subarray(0, BLOCK), next);
      exclusiveOr(bytes.subarray(BLOCK), made);
      next = made.slice(-BLOCK);
    },
    [Symbol.dispose]: () => {},
  };
}
