/** Records as bytes: fields in the form of systemd's journal (systemd.io/JOURNAL_NATIVE_PROTOCOL). */
import { concat } from "../linux/bytes.ts";
import { MESSAGE_IDS, type RecordKind } from "./record_kinds.ts";

/** A field: its name, of capital letters, digits and `_`, and its value. A name may stand several times. */
export type RecordField = readonly [name: string, value: string];

/** `LOG_NOTICE` of syslog(3). */
const NOTICE = 5;

/** The most characters of a value: paths and words are of others. */
const MOST_VALUE = 4096;

/** What every record begins with. */
export function commonFields(kind: RecordKind, message: string): readonly RecordField[] {
  return [
    ["MESSAGE", message],
    ["PRIORITY", `${NOTICE}`],
    ["SYSLOG_IDENTIFIER", "rkt"],
    ["RKT_RECORD", kind],
  ];
}

/** What every record ends with, so that one that is cut off is seen. */
export const lastField = (kind: RecordKind): string => `MESSAGE_ID=${MESSAGE_IDS[kind]}\n`;

/** The bytes of fields. A value with a line feed has its length in front. */
export function fieldBytes(fields: readonly RecordField[]): Uint8Array<ArrayBuffer> {
  return concat(...fields.map(([name, value]) => fieldPart(name, cut(value))));
}

const cut = (value: string): string =>
  value.length <= MOST_VALUE ? value : `${value.slice(0, MOST_VALUE)}…`;

function fieldPart(name: string, value: string): Uint8Array {
  const encoder = new TextEncoder();
  if (!value.includes("\n")) return encoder.encode(`${name}=${value}\n`);
  const head = encoder.encode(`${name}\n`);
  const text = encoder.encode(value);
  const part = new Uint8Array(head.length + 8 + text.length + 1);
  part.set(head);
  new DataView(part.buffer).setBigUint64(head.length, BigInt(text.length), true);
  part.set(text, head.length + 8);
  part[part.length - 1] = 10;
  return part;
}
