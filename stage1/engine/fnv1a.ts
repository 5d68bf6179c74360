/** FNV-1a, the hash of the engine's operation `hash` (draft-eastlake-fnv, 64 bits). It is for names, and against accidents. */

/** The state to begin with. */
export const FNV_OFFSET_BASIS = 0xcbf29ce484222325n;

/** The lower part of the prime 2^40 + 0x1b3. */
const PRIME_LOW = 0x1b3;
const TWO_32 = 0x1_0000_0000;

/**
 * The digest of whole words of eight bytes, unsigned; bytes behind the last one don't count. It is the engine's operation
 * `digest`: eight times as fast as {@linkcode fnv1a}, for much data. As the halves change places after each word, a bit of
 * either has an effect on all later ones.
 */
export function digest(bytes: Uint8Array): bigint {
  // Elements of an array are read faster than by a view, in code that V8 has not optimised. All our machines are little-endian.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, (aligned.length >>> 3) * 2);
  let low = Number(BigInt.asUintN(32, FNV_OFFSET_BASIS));
  let high = Number(FNV_OFFSET_BASIS >> 32n);
  for (let at = 0; at < words.length; at += 2) {
    low = (low ^ (words[at] ?? 0)) >>> 0;
    high = (high ^ (words[at + 1] ?? 0)) >>> 0;
    const product = low * PRIME_LOW;
    const upper = (high * PRIME_LOW + low * 0x100 + Math.floor(product / TWO_32)) % TWO_32;
    high = product >>> 0;
    low = upper;
  }
  return BigInt(high) << 32n | BigInt(low);
}

/** The hash of bytes, unsigned, from the state that bytes before them have led to. In halves, which is 50 times as fast as bigints. */
export function fnv1a(bytes: Uint8Array, state = FNV_OFFSET_BASIS): bigint {
  let low = Number(BigInt.asUintN(32, state));
  let high = Number(BigInt.asUintN(32, state >> 32n));
  for (const byte of bytes) {
    low = (low ^ byte) >>> 0;
    const product = low * PRIME_LOW;
    high = (high * PRIME_LOW + low * 0x100 + Math.floor(product / TWO_32)) % TWO_32;
    low = product >>> 0;
  }
  return BigInt(high) << 32n | BigInt(low);
}
