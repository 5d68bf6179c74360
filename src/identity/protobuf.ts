/** The wire format of protocol buffers, as far as the Workload API needs it: fields that have a length. */

import { concat } from "../linux/bytes.ts";

/** A field of a message: its number and its bytes, or its text. */
export type WireField = readonly [number: number, value: Uint8Array | string];

function varint(value: number): number[] {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return [...bytes, value];
}

/** Encodes a message. */
export function message(...fields: readonly WireField[]): Uint8Array<ArrayBuffer> {
  const parts = fields.map(([number, value]) => {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    return [Uint8Array.from([...varint(number << 3 | 2), ...varint(bytes.length)]), bytes] as const;
  }).flat();
  return concat(...parts);
}

/**
 * Decodes a message. Fields of other kinds are skipped.
 *
 * @returns undefined where it is none
 */
export function fieldsOf(
  bytes: Uint8Array,
): readonly (readonly [number, Uint8Array])[] | undefined {
  const found: (readonly [number, Uint8Array])[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length && scale < 2 ** 42; scale *= 0x80) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return NaN;
  };
  while (at < bytes.length) {
    const key = number();
    const kind = key % 8;
    // A number has no size but its own; one that does not end makes this NaN.
    const size = kind === 2 ? number() : kind === 1 ? 8 : kind === 5 ? 4 : 0 * number();
    if (![0, 1, 2, 5].includes(kind) || !Number.isFinite(key + size) || at + size > bytes.length) {
      return undefined;
    }
    if (kind === 2) found.push([Math.floor(key / 8), bytes.subarray(at, at + size)]);
    at += size;
  }
  return found;
}
