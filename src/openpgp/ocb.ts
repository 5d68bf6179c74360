/**
 * AES in the mode OCB (RFC 7253) with tags of 128 bits, for decrypting: node:crypto's ECB at once for many blocks, because
 * Deno's has no OCB. What stands in the RFC as bit strings are four words of 32 bits here.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { exclusiveOr } from "./cfb.ts";

const BLOCK = 16;
/** Bytes of a tag. */
export const TAG = 16;

/** Four words in the order of their bits. */
type Words = Uint32Array<ArrayBuffer>;

/** Decrypts messages by one key. */
export class Ocb {
  readonly #encrypt: (blocks: Uint8Array) => Uint8Array;
  readonly #decrypt: (blocks: Uint8Array) => Uint8Array;
  readonly #star: Words;
  readonly #dollar: Words;
  /** L_0, L_1 … as far as they were needed. */
  readonly #l: Words[];

  /** @param key of 16, 24 or 32 bytes */
  constructor(key: Uint8Array) {
    const name = `aes-${key.length * 8}-ecb`;
    const encryption = createCipheriv(name, key, null).setAutoPadding(false);
    const decryption = createDecipheriv(name, key, null).setAutoPadding(false);
    this.#encrypt = (blocks) => encryption.update(blocks);
    this.#decrypt = (blocks) => decryption.update(blocks);
    this.#star = words(this.#encrypt(new Uint8Array(BLOCK)));
    this.#dollar = doubled(this.#star);
    this.#l = [doubled(this.#dollar)];
  }

  /**
   * Decrypts a message where it is.
   *
   * @param nonce up to 15 bytes
   * @param associated what the tag is over besides
   * @returns whether the tag is right; the bytes are worth nothing where it is not
   */
  open(
    nonce: Uint8Array,
    associated: Uint8Array,
    bytes: Uint8Array<ArrayBuffer>,
    tag: Uint8Array,
  ): boolean {
    const offset = this.#firstOffset(nonce);
    const checksum = new Uint32Array(4);
    const whole = bytes.length - bytes.length % BLOCK;
    if (whole > 0) this.#openBlocks(bytes.subarray(0, whole), offset, checksum);
    if (whole < bytes.length) {
      mix(offset, this.#star);
      const pad = this.#encrypt(bytesOf(offset));
      const rest = bytes.subarray(whole);
      const last = new Uint8Array(BLOCK);
      rest.forEach((byte, i) => rest[i] = last[i] = byte ^ (pad[i] ?? 0));
      last[rest.length] = 0x80;
      mix(checksum, words(last));
    }
    mix(checksum, offset);
    mix(checksum, this.#dollar);
    const expected = words(this.#encrypt(bytesOf(checksum)));
    mix(expected, this.#hash(associated));
    const found = bytesOf(expected);
    return tag.length === TAG &&
      found.reduce((sum, byte, i) => sum | byte ^ (tag[i] ?? 0), 0) === 0;
  }

  #firstOffset(nonce: Uint8Array): Words {
    const block = new Uint8Array(BLOCK);
    block.set(nonce, BLOCK - nonce.length);
    block[BLOCK - 1 - nonce.length] = 1;
    const bottom = (block[BLOCK - 1] ?? 0) & 0x3f;
    block[BLOCK - 1] = (block[BLOCK - 1] ?? 0) & 0xc0;
    const top = this.#encrypt(block);
    const stretch = new Uint8Array(BLOCK + 8);
    stretch.set(top);
    for (let i = 0; i < 8; i++) stretch[BLOCK + i] = (top[i] ?? 0) ^ (top[i + 1] ?? 0);
    const [bytes, bits] = [bottom >> 3, bottom & 7];
    return words(Uint8Array.from({ length: BLOCK }, (_, i) => {
      const pair = ((stretch[bytes + i] ?? 0) << 8) | (stretch[bytes + i + 1] ?? 0);
      return (pair >> (8 - bits)) & 0xff;
    }));
  }

  /** Whole blocks: their offsets first, then all at once. */
  #openBlocks(bytes: Uint8Array<ArrayBuffer>, offset: Words, checksum: Words): void {
    const offsets = new Uint8Array(bytes.length);
    const view = new DataView(offsets.buffer);
    for (let i = 1; i <= bytes.length / BLOCK; i++) {
      mix(offset, this.#lOf(31 - Math.clz32(i & -i)));
      const at = (i - 1) * BLOCK;
      for (let word = 0; word < 4; word++) view.setUint32(at + word * 4, offset[word] ?? 0);
    }
    exclusiveOr(bytes, offsets);
    bytes.set(this.#decrypt(bytes));
    exclusiveOr(bytes, offsets);
    const plain = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let [a = 0, b = 0, c = 0, d = 0] = checksum;
    for (let at = 0; at < bytes.length; at += BLOCK) {
      a ^= plain.getUint32(at);
      b ^= plain.getUint32(at + 4);
      c ^= plain.getUint32(at + 8);
      d ^= plain.getUint32(at + 12);
    }
    checksum.set([a, b, c, d]);
  }

  #hash(associated: Uint8Array): Words {
    const sum = new Uint32Array(4);
    const offset = new Uint32Array(4);
    const whole = Math.floor(associated.length / BLOCK);
    for (let i = 1; i <= whole; i++) {
      mix(offset, this.#lOf(31 - Math.clz32(i & -i)));
      const input = words(associated.slice((i - 1) * BLOCK, i * BLOCK));
      mix(input, offset);
      mix(sum, words(this.#encrypt(bytesOf(input))));
    }
    const rest = associated.subarray(whole * BLOCK);
    if (rest.length === 0) return sum;
    mix(offset, this.#star);
    const last = new Uint8Array(BLOCK);
    last.set(rest);
    last[rest.length] = 0x80;
    const input = words(last);
    mix(input, offset);
    mix(sum, words(this.#encrypt(bytesOf(input))));
    return sum;
  }

  #lOf(power: number): Words {
    const known = this.#l[power];
    if (known !== undefined) return known;
    const made = doubled(this.#lOf(power - 1));
    this.#l.push(made);
    return made;
  }
}

function words(bytes: Uint8Array): Words {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: 4 }, (_, i) => view.getUint32(i * 4));
}

function bytesOf(block: Words): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK);
  const view = new DataView(bytes.buffer);
  block.forEach((word, i) => view.setUint32(i * 4, word));
  return bytes;
}

/** Exclusive or, into the first one. */
function mix(into: Words, other: Words): void {
  for (let i = 0; i < 4; i++) into[i] = (into[i] ?? 0) ^ (other[i] ?? 0);
}

/** Times x in the field of 2^128 elements (RFC 7253 §2, double()). */
function doubled([a = 0, b = 0, c = 0, d = 0]: Words): Words {
  const carry = (a >>> 31) * 0x87;
  return Uint32Array.of(
    (a << 1) | (b >>> 31),
    (b << 1) | (c >>> 31),
    (c << 1) | (d >>> 31),
    (d << 1) ^ carry,
  );
}
