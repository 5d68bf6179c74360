/** What an extended header says about its entry. */
import { type ByteString, byteString, shown } from "../../linux/byte_string.ts";
import { paxNumber, type PaxRecords, type PaxTime, paxTime } from "./pax.ts";
import { type PaxSparse, paxSparse } from "./sparse.ts";

/** The records that count; absent where the entry's own header is right. */
export interface PaxFields {
  path?: ByteString;
  link?: ByteString;
  size?: number;
  uid?: number;
  gid?: number;
  time?: PaxTime;
  xattrs?: ReadonlyMap<ByteString, Uint8Array>;
  sparse?: PaxSparse;
}

/** Owners are 32 bits; the last means "no change" to chown(2). */
export const MAX_ID = 0xfffffffe;

const XATTR = "SCHILY.xattr.";
const SPARSE = "GNU.sparse.";

type Reader = (fields: PaxFields, text: ByteString) => void;

/** Puts a record's value where it belongs. */
const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>(Object.entries({
  "path": (fields, text) => fields.path ??= text,
  // Sparse files carry a made-up path, for readers that do not know them.
  "GNU.sparse.name": (fields, text) => fields.path = text,
  "linkpath": (fields, text) => fields.link = text,
  "size": (fields, text) => fields.size = number("size", text, Number.MAX_SAFE_INTEGER),
  "uid": (fields, text) => fields.uid = number("uid", text, MAX_ID),
  "gid": (fields, text) => fields.gid = number("gid", text, MAX_ID),
  "mtime": (fields, text) => fields.time = paxTime(text) ?? impossible("mtime", text),
}));

/**
 * Reads the records of one header; those that nobody needs here (atime, uname, …) are left out.
 *
 * @throws {SyntaxError}
 */
export function paxFields(records: PaxRecords): PaxFields {
  const fields: PaxFields = {};
  const xattrs = new Map<ByteString, Uint8Array>();
  let isSparse = false;
  // Where a key comes twice, the last one counts.
  const values = new Map<ByteString, Uint8Array>();
  for (const [key, value] of records) {
    if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), value);
    else if (READERS.has(key)) values.set(key, value);
    if (key.startsWith(SPARSE)) isSparse = true;
  }
  // An empty value takes a record back.
  for (const [key, value] of values) {
    if (value.length > 0) READERS.get(key)?.(fields, byteString(value));
  }
  if (xattrs.size > 0) fields.xattrs = xattrs;
  const sparse = isSparse ? paxSparse(records) : undefined;
  if (sparse !== undefined) fields.sparse = sparse;
  return fields;
}

function number(key: string, text: ByteString, limit: number): number {
  const value = paxNumber(text);
  return value === undefined || value > limit ? impossible(key, text) : value;
}

function impossible(key: string, text: ByteString): never {
  throw new SyntaxError(`an impossible ${key}: ${shown(text)}`);
}
