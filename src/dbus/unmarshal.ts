/**
 * From the bytes of a message to values. Whoever sent them is not believed: lengths stay within the bytes, types within their
 * depth, padding and what ends texts is zero.
 */
import { Failure } from "../failure.ts";
import { part } from "./marshal.ts";
import { alignmentOf, DEEPEST, parseSignature, parseSingle, type Type } from "./signature.ts";
import { type DBusValue, variant } from "./value.ts";

/** The longest array, in bytes: 64 MiB (D-Bus Specification, "Marshaling"). */
const LONGEST_ARRAY = 2 ** 26;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The values in bytes that begin at a multiple of eight.
 *
 * @param little whether the low byte of a number comes first
 * @throws {Failure} the bytes are not what the signature says, or more
 */
export function unmarshal(
  signature: string,
  bytes: Uint8Array,
  little: boolean,
): readonly DBusValue[] {
  const reader = new Reader(bytes, little);
  const values = parseSignature(signature).map((type) => reader.read(type));
  if (reader.at !== bytes.length) throw malformed("it has more than its signature says");
  return values;
}

/** Reads values one behind the other. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  at = 0;

  constructor(bytes: Uint8Array, little: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = little;
  }

  /**
   * Reads one value.
   *
   * @throws {Failure} it is not there, or not right
   */
  read(type: Type, depth = 0): DBusValue {
    if (depth > DEEPEST) throw malformed("it is too deep");
    this.align(alignmentOf(type));
    switch (type.code) {
      case "s":
      case "o":
        return this.#text(this.u32());
      case "g":
        return this.#text(this.#u8());
      case "v": {
        const signature = this.#text(this.#u8());
        return variant(signature, this.read(parseSingle(signature), depth + 1));
      }
      case "a":
        return this.#array(part(type, 0), depth);
      case "(":
      case "{":
        return type.parts.map((each) => this.read(each, depth + 1));
      default:
        return this.#number(type.code);
    }
  }

  /** Goes on at a multiple of some bytes; what is skipped must be zero. */
  align(to: number): void {
    const padding = this.#take(-this.at & (to - 1));
    if (padding.some((byte) => byte !== 0)) throw malformed("its padding is not zero");
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), this.#little);
  }

  #u8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  #number(code: string): DBusValue {
    const view = this.#view;
    const little = this.#little;
    switch (code) {
      case "y":
        return this.#u8();
      case "n":
        return view.getInt16(this.#skip(2), little);
      case "q":
        return view.getUint16(this.#skip(2), little);
      case "i":
        return view.getInt32(this.#skip(4), little);
      case "x":
        return view.getBigInt64(this.#skip(8), little);
      case "t":
        return view.getBigUint64(this.#skip(8), little);
      case "d":
        return view.getFloat64(this.#skip(8), little);
      case "b": {
        const value = this.u32();
        if (value > 1) throw malformed(`a boolean is ${value}`);
        return value === 1;
      }
      default:
        return this.u32();
    }
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    if (bytes.includes(0) || this.#u8() !== 0) throw malformed("a text has its NUL elsewhere");
    try {
      return decoder.decode(bytes);
    } catch {
      throw malformed("a text is not UTF-8");
    }
  }

  #array(element: Type, depth: number): DBusValue {
    const length = this.u32();
    if (length > LONGEST_ARRAY) throw malformed("an array is too long");
    this.align(alignmentOf(element));
    if (element.code === "y") return this.#take(length).slice();
    const end = this.at + length;
    if (end > this.#bytes.length) throw malformed("it ends within an array");
    const values: DBusValue[] = [];
    while (this.at < end) values.push(this.read(element, depth + 1));
    if (this.at !== end) throw malformed("an array ends within an element");
    return values;
  }

  #take(length: number): Uint8Array {
    const from = this.#skip(length);
    return this.#bytes.subarray(from, from + length);
  }

  /** Steps over some bytes; returns where they begin. */
  #skip(length: number): number {
    const from = this.at;
    if (length > this.#bytes.length - from) throw malformed("it ends too early");
    this.at += length;
    return from;
  }
}

/** The failure of a message that breaks the protocol. */
export const malformed = (why: string): Failure =>
  new Failure(`D-Bus: a message is malformed: ${why}`);
