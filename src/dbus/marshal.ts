/** From values to the bytes of a message (D-Bus Specification, "Marshaling"); the low byte of a number comes first. */
import { alignmentOf, parseSignature, parseSingle, type Type } from "./signature.ts";
import { type DBusValue, isList, isVariant } from "./value.ts";
import { type Bytes, concat } from "../linux/bytes.ts";

const encoder = new TextEncoder();

/**
 * The bytes of values, the first of which begins at a multiple of eight.
 *
 * @throws {TypeError} a value is not of its type, which is a bug of the caller
 */
export function marshal(signature: string, values: readonly DBusValue[]): Bytes {
  const types = parseSignature(signature);
  if (types.length !== values.length) throw new TypeError(`${values.length} values: ${signature}`);
  const writer = new Writer();
  for (const [i, type] of types.entries()) writer.write(type, valueAt(values, i));
  return writer.bytes;
}

/** Writes values one behind the other. */
class Writer {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  get bytes(): Bytes {
    return concat(...this.#parts);
  }

  write(type: Type, value: DBusValue): void {
    this.#align(alignmentOf(type));
    switch (type.code) {
      case "s":
      case "o":
        return this.#writeText(text(value));
      case "g":
        return this.#writeSignature(text(value));
      case "v":
        return this.#writeVariant(value);
      case "a":
        return this.#writeArray(part(type, 0), value);
      case "(":
      case "{":
        return this.#writeStruct(type, value);
      case "d":
        throw new TypeError("no value of rkt's is a floating-point number");
      default:
        return this.#writeInteger(alignmentOf(type), integer(value));
    }
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  #align(to: number): void {
    this.#push(new Uint8Array(-this.#length & (to - 1)));
  }

  #writeInteger(size: number, value: bigint): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
    this.#push(bytes.subarray(0, size));
  }

  #writeText(value: string): void {
    if (value.includes("\0")) throw new TypeError("D-Bus: a text with a NUL");
    const bytes = encoder.encode(value);
    this.#writeInteger(4, BigInt(bytes.length));
    this.#push(bytes);
    this.#push(new Uint8Array(1));
  }

  #writeSignature(value: string): void {
    const bytes = encoder.encode(value);
    this.#push(new Uint8Array([bytes.length, ...bytes, 0]));
  }

  #writeVariant(value: DBusValue): void {
    if (!isVariant(value)) throw new TypeError("D-Bus: not a variant");
    this.#writeSignature(value.signature);
    this.write(parseSingle(value.signature), value.value);
  }

  #writeArray(element: Type, value: DBusValue): void {
    if (value instanceof Uint8Array) {
      if (element.code !== "y") {
        throw new TypeError(`D-Bus: bytes, not an array of ${element.code}`);
      }
      this.#writeInteger(4, BigInt(value.length));
      return this.#push(value);
    }
    if (!isList(value)) throw new TypeError("D-Bus: not an array");
    const length = new Uint8Array(4);
    this.#push(length);
    // The length leaves out what aligns the first element, which is there where there is no element, too.
    this.#align(alignmentOf(element));
    const begin = this.#length;
    for (const each of value) this.write(element, each);
    new DataView(length.buffer).setUint32(0, this.#length - begin, true);
  }

  #writeStruct(type: Type, value: DBusValue): void {
    if (!isList(value) || value.length !== type.parts.length) {
      throw new TypeError("D-Bus: not as many values as the struct has");
    }
    for (const [i, each] of type.parts.entries()) this.write(each, valueAt(value, i));
  }
}

function valueAt(values: readonly DBusValue[], at: number): DBusValue {
  const value = values[at];
  if (value === undefined) throw new TypeError(`D-Bus: no value ${at}`);
  return value;
}

/** The type in a type. */
export function part(type: Type, at: number): Type {
  const found = type.parts[at];
  if (found === undefined) throw new TypeError(`D-Bus: no type ${at} in ${type.code}`);
  return found;
}

function text(value: DBusValue): string {
  if (typeof value !== "string") throw new TypeError("D-Bus: not a text");
  return value;
}

function integer(value: DBusValue): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (!Number.isInteger(value)) throw new TypeError("D-Bus: not an integer");
  return BigInt(Number(value));
}
