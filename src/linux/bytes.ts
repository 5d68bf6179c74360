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
