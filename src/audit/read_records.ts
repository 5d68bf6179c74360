/**
 * Records as they are read: from the journal's export format (systemd.io/JOURNAL_EXPORT_FORMATS), which the file has, too.
 * What was cut off, because the disk was full, is skipped.
 */
import { kindOf, type RecordKind } from "./record_kinds.ts";

/** A record that was read. */
export interface AuditEntry {
  readonly kind: RecordKind;
  /** Microseconds since 1970. */
  readonly time: bigint;
  readonly from: "journal" | "file";
  /** All values of a field, in the order in which they were found. */
  values(name: string): readonly string[];
  /** What rkt has written of it: equal for two entries of one record, in the journal and in the file. */
  content(): string;
}

const LINE_FEED = 10;
const EQUALS = 61;

/** Fields of an entry that is being read. */
type Fields = Map<string, string[]>;

/** How far entries were read. */
export interface ReadEntries {
  readonly entries: readonly AuditEntry[];
  /** Entries that have no end. */
  readonly damaged: number;
}

/**
 * Reads entries that are kept in the export format.
 *
 * @param bytes whole entries, with empty lines between
 */
export function readEntries(bytes: Uint8Array, from: AuditEntry["from"]): ReadEntries {
  const entries: AuditEntry[] = [];
  let damaged = 0;
  let fields: Fields = new Map();
  const finish = () => {
    if (fields.size === 0) return;
    const entry = entryOf(fields, from);
    if (entry === undefined) damaged++;
    else entries.push(entry);
    fields = new Map();
  };
  for (let at = 0; at < bytes.length;) {
    const end = lineEnd(bytes, at);
    if (end === at) {
      finish();
      at++;
      continue;
    }
    const line = bytes.subarray(at, end);
    const equals = line.indexOf(EQUALS);
    if (equals > 0) {
      const name = text(line.subarray(0, equals));
      // A record that was cut off may have taken the empty line with it.
      if (name === FIRST && fields.size > 0) finish();
      add(fields, name, text(line.subarray(equals + 1)));
      at = end + 1;
      continue;
    }
    const value = sizedValue(bytes, end + 1);
    if (value === undefined) { // its length is not that of what follows: go on with the next record
      damaged++;
      fields = new Map();
      at = nextRecord(bytes, end);
      continue;
    }
    add(fields, text(line), text(value));
    at = end + 1 + 8 + value.length + 1;
  }
  finish();
  return { entries, damaged };
}

/** The first field of a record in the file. */
const FIRST = "__REALTIME_TIMESTAMP";

const decoder = new TextDecoder();
const text = (bytes: Uint8Array): string => decoder.decode(bytes);

function lineEnd(bytes: Uint8Array, from: number): number {
  const end = bytes.indexOf(LINE_FEED, from);
  return end < 0 ? bytes.length : end;
}

/** A value behind its length; undefined where no line feed stands behind it. */
function sizedValue(bytes: Uint8Array, at: number): Uint8Array | undefined {
  if (at + 8 > bytes.length) return undefined;
  const size = new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigUint64(0, true);
  const end = BigInt(at + 8) + size;
  if (end >= BigInt(bytes.length) || bytes[Number(end)] !== LINE_FEED) return undefined;
  return bytes.subarray(at + 8, Number(end));
}

function nextRecord(bytes: Uint8Array, from: number): number {
  const wanted = new TextEncoder().encode(`\n${FIRST}=`);
  for (let at = bytes.indexOf(LINE_FEED, from); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at + 1;
  }
  return bytes.length;
}

function add(fields: Fields, name: string, value: string): void {
  const values = fields.get(name);
  if (values === undefined) fields.set(name, [value]);
  else values.push(value);
}

/** The entry of these fields; undefined where it is none of ours, or not whole. */
function entryOf(fields: Fields, from: AuditEntry["from"]): AuditEntry | undefined {
  const first = (name: string) => fields.get(name)?.[0];
  const kind = kindOf(first("MESSAGE_ID") ?? "");
  const time = first("_SOURCE_REALTIME_TIMESTAMP") ?? first(FIRST) ?? "";
  if (kind === undefined || !/^\d{1,19}$/.test(time)) return undefined;
  return {
    ...{ kind, time: BigInt(time), from },
    values: (name) => fields.get(name) ?? [],
    content: () =>
      JSON.stringify([...fields].filter(([name]) => /^RKT_|^MESSAGE/.test(name)).sort()),
  };
}
