/** Extended headers: POSIX.1-2017 pax, "pax Extended Header". Values are bytes. */
import { byteAt } from "../../linux/bytes.ts";
import { type ByteString, byteString } from "../../linux/byte_string.ts";

/** Records in the order they stand in; GNU sparse 0.0 repeats keys. */
export type PaxRecords = readonly (readonly [key: ByteString, value: Uint8Array])[];

/** A time: whole seconds (rounded down) and nanoseconds. */
export interface PaxTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/**
 * Parses `LENGTH KEY=VALUE\n` records. The values are copies.
 *
 * @throws {SyntaxError} that says what is wrong
 */
export function parsePaxRecords(bytes: Uint8Array): PaxRecords {
  const records: [ByteString, Uint8Array][] = [];
  let at = 0;
  while (at < bytes.length) {
    let length = 0;
    let i = at;
    for (; i < bytes.length && i < at + 8 && bytes[i] !== 0x20; i++) {
      const digit = byteAt(bytes, i) - 0x30;
      if (digit < 0 || digit > 9) throw new SyntaxError("a record does not begin with its length");
      length = length * 10 + digit;
    }
    const end = at + length;
    if (bytes[i] !== 0x20 || i === at || end <= i + 1 || end > bytes.length) {
      throw new SyntaxError("a record's length is wrong");
    }
    if (bytes[end - 1] !== 0x0a) {
      throw new SyntaxError("a record does not end where its length says");
    }
    const equals = bytes.indexOf(0x3d, i + 1);
    if (equals <= i + 1 || equals >= end) throw new SyntaxError("a record has no key");
    records.push([byteString(bytes, i + 1, equals), bytes.slice(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

/** A non-negative decimal number; undefined when it is none, or not a safe integer. */
export function paxNumber(text: ByteString): number | undefined {
  if (!/^[0-9]{1,20}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A time like `1350244992.023960108` or `-1.5`; undefined when it is none. */
export function paxTime(text: ByteString): PaxTime | undefined {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) return undefined;
  const whole = Number(match[2]);
  const fraction = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds: whole, nanoseconds: fraction };
  if (fraction === 0) return { seconds: whole === 0 ? 0 : -whole, nanoseconds: 0 };
  return { seconds: -whole - 1, nanoseconds: 1e9 - fraction };
}
