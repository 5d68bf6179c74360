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

/*
 * Texts of the kernel's (arguments, variables, paths) that need not be UTF-8. A byte that is none of it stands in a string as a
 * surrogate of its own, U+DC80 to U+DCFF, which no text has by itself, and JSON writes as `\udc80`: so what the caller gave comes
 * out again as it was.
 */

/** The surrogate of the byte 0. */
const ESCAPE = 0xdc00;

/** The text of bytes. */
export function textOfBytes(bytes: Uint8Array): string {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return text.includes("\ufffd") ? escaped(bytes) : text;
}

function escaped(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    try {
      text += decoder.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += String.fromCharCode(ESCAPE + first);
      at++;
    }
  }
  return text;
}

const encoder = new TextEncoder();

/** The bytes of a text: those that {@linkcode textOfBytes} was given, or UTF-8. */
export function bytesOfText(text: string): Uint8Array<ArrayBuffer> {
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const isByte = code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
    return isByte ? [code - ESCAPE] : [...encoder.encode(character)];
  });
  return new Uint8Array(bytes.flat());
}
