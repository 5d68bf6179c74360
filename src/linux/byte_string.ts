/**
 * Names as an archive has them. File names on Linux are bytes, not text, so a name is kept as a
 * string with one UTF-16 unit (0–255) a byte: compares, slices and hashes like any string, and
 * nothing is lost when the bytes are no UTF-8.
 */

import { byteAt } from "./bytes.ts";

/** A string with one unit a byte. */
export type ByteString = string;

/** Bytes to a byte string. */
export function byteString(bytes: Uint8Array, from = 0, to = bytes.length): ByteString {
  let text = "";
  for (let i = from; i < to; i++) text += String.fromCharCode(byteAt(bytes, i));
  return text;
}

/** A byte string's bytes. */
export function bytesOf(text: ByteString): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Text as a byte string: the bytes of its UTF-8. */
export function byteStringOfText(text: string): ByteString {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return byteString(new TextEncoder().encode(text));
  }
  return text;
}

/**
 * A byte string for people, in quotes: as UTF-8 where it is UTF-8, anything that could disturb a
 * terminal or a line escaped, cut after 200 characters.
 */
export function shown(name: ByteString): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOf(name));
  } catch {
    text = name;
  }
  if (text.length > 200) text = text.slice(0, 200) + "…";
  const escaped = JSON.stringify(text);
  return escaped.replace(/[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (c) => {
    return "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");
  });
}
