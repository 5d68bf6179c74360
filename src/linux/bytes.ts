/** Runs of bytes. */

/** Bytes in memory that nobody else shares, as Deno's own functions take and return them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Returns a new array with the bytes of all parts, one after the other. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * A byte that is known to be there.
 *
 * @throws {RangeError} outside the array, which is a bug
 */
export function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError(`no byte ${at} in ${bytes.length}`);
  return byte;
}

/** Two bytes as a number, the low one first. */
export function u16At(bytes: Uint8Array, at: number): number {
  return byteAt(bytes, at) | byteAt(bytes, at + 1) << 8;
}
