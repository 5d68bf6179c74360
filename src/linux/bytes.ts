/** Runs of bytes. */

/** Bytes in memory that nobody else shares, as Deno's own functions take and return them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/*
 * Bytes that are not known yet: holes within others, each with a name. Where bytes are put together, the places of their holes
 * go with them; so whoever makes a message need not know that it has some.
 */

/** A hole: its first byte within the others, and how many there are. */
export interface ByteHole {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

const HOLES = new WeakMap<Uint8Array, readonly ByteHole[]>();

/** Says which of bytes are holes. */
export function withHoles(bytes: Bytes, holes: readonly ByteHole[]): Bytes {
  if (holes.length > 0) HOLES.set(bytes, holes);
  return bytes;
}

/** Bytes that are a hole as a whole; until it is filled they are those that are given. */
export const holeBytes = (name: string, bytes: Bytes): Bytes =>
  withHoles(bytes, [{ name, at: 0, size: bytes.length }]);

/** The holes of bytes. */
export const holesOf = (bytes: Uint8Array): readonly ByteHole[] => HOLES.get(bytes) ?? [];

/** Copies bytes into others, with their holes. */
export function putBytes(into: Bytes, part: Uint8Array, at: number): void {
  into.set(part, at);
  const holes = HOLES.get(part);
  if (holes === undefined) return;
  const moved = holes.map((hole) => ({ ...hole, at: at + hole.at }));
  withHoles(into, [...holesOf(into), ...moved]);
}

/**
 * Some of bytes, the last one first.
 *
 * @returns a hole, named `reversed NAME`, where they are one
 * @throws {Error} they are a part of one, or have one among others: a bug
 */
export function reversedBytes(bytes: Bytes, at: number, size: number): Bytes {
  const part = bytes.slice(at, at + size).reverse();
  const [hole] = holesOf(bytes).filter((each) => each.at < at + size && at < each.at + each.size);
  if (hole === undefined) return part;
  if (hole.at !== at || hole.size !== size) {
    throw new Error(`${hole.name} can't be reversed in part`);
  }
  return holeBytes(`reversed ${hole.name}`, part);
}

/** Returns a new array with the bytes of all parts, one after the other, and with their holes. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    putBytes(all, part, at);
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
