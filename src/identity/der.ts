/** DER, as far as certificates need it (ITU-T X.690). */

import { concat } from "../linux/bytes.ts";

/** An element. */
export type Der = Uint8Array<ArrayBuffer>;

/** An element with a tag. */
export function tagged(tag: number, ...parts: readonly Uint8Array[]): Der {
  const content = concat(...parts);
  const { length } = content;
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return concat(Uint8Array.of(tag, ...size), content);
}

export const sequence = (...parts: readonly Uint8Array[]): Der => tagged(0x30, ...parts);
export const setOf = (...parts: readonly Uint8Array[]): Der => tagged(0x31, ...parts);
export const octets = (bytes: Uint8Array): Der => tagged(0x04, bytes);
export const bits = (bytes: Uint8Array, unused = 0): Der =>
  tagged(0x03, Uint8Array.of(unused), bytes);
export const truth: Der = tagged(0x01, Uint8Array.of(0xff));
/** Text of the kind UTF8String. */
export const utf8 = (text: string): Der => tagged(0x0c, new TextEncoder().encode(text));
/** A tag of the context, which holds other elements. */
export const context = (number: number, ...parts: readonly Uint8Array[]): Der =>
  tagged(0xa0 | number, ...parts);
/** A tag of the context in place of the element's own. */
export const implicit = (number: number, bytes: Uint8Array): Der => tagged(0x80 | number, bytes);

/** A whole number that is not negative, big-endian. */
export function integer(bytes: Uint8Array): Der {
  const from = bytes.findIndex((byte) => byte !== 0);
  const digits = from < 0 ? Uint8Array.of(0) : bytes.subarray(from);
  const sign = (digits[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array();
  return tagged(0x02, sign, digits);
}

/** An object identifier, in dots. */
export function oid(dots: string): Der {
  const [first = 0, second = 0, ...rest] = dots.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift(0x80 | (left & 0x7f));
    bytes.push(...groups);
  }
  return tagged(0x06, Uint8Array.from(bytes));
}

/** A moment: UTCTime until 2049, as RFC 5280 wants it. */
export function time(milliseconds: number): Der {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, "");
  return tagged(0x17, new TextEncoder().encode(text.slice(2)));
}
