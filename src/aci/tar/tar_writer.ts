/**
 * Tar headers: ustar where it can say everything, else with a PAX header before it. The same entry
 * always gives the same bytes.
 */
import { bytesOf, type ByteString } from "../../linux/byte_string.ts";
import type { TarEntry, TarKind } from "./entry.ts";
import { BLOCK_SIZE, FIELD, type Field, padding } from "./tar_field.ts";

const TYPEFLAGS: Readonly<Record<TarKind, string>> = {
  "file": "0",
  "hardlink": "1",
  "symlink": "2",
  "character device": "3",
  "block device": "4",
  "directory": "5",
  "fifo": "6",
};

/** What a header says. */
export type HeaderFields =
  & Omit<
    TarEntry,
    "sparse" | "pieces" | "offset" | "dataOffset" | "mtimeNs"
  >
  & { readonly mtimeNs?: number };

/** Two zero blocks end an archive. */
export const ARCHIVE_END = new Uint8Array(2 * BLOCK_SIZE);

/**
 * The headers of one entry: one block, or a PAX header, its data and one block.
 *
 * @param records further records of the PAX header
 */
export function tarHeader(
  entry: HeaderFields,
  records: readonly (readonly [ByteString, ByteString])[] = [],
): Uint8Array<ArrayBuffer> {
  const pax: (readonly [ByteString, ByteString | Uint8Array])[] = [...records];
  const [prefix, name] = splitName(entry.path) ?? ["", entry.path.slice(0, 100)];
  if (splitName(entry.path) === undefined) pax.push(["path", entry.path]);
  if (entry.link.length > FIELD.linkname[1]) pax.push(["linkpath", entry.link]);
  const number = (key: string, value: number, field: Field): number => {
    if (value >= 0 && value < 8 ** (field[1] - 1)) return value;
    pax.push([key, String(value)]);
    return 0;
  };
  const mtime = (): number => {
    const { mtimeNs = 0 } = entry;
    if (mtimeNs === 0) return number("mtime", entry.mtime, FIELD.mtime);
    pax.push(["mtime", decimalTime(entry.mtime, mtimeNs)]);
    return Math.max(entry.mtime, 0);
  };
  const fields = {
    uid: number("uid", entry.uid, FIELD.uid),
    gid: number("gid", entry.gid, FIELD.gid),
    size: number("size", entry.size, FIELD.size),
    mtime: mtime(),
  };
  for (const [key, value] of entry.xattrs) pax.push([`SCHILY.xattr.${key}`, value]);
  const own = block({ ...entry, ...fields, typeflag: TYPEFLAGS[entry.kind], name, prefix });
  if (pax.length === 0) return own;
  const data = bytesOf(pax.map(([key, value]) => paxRecord(key, value)).join(""));
  const header = block({
    ...entry,
    ...fields,
    typeflag: "x",
    name: paxHeaderName(entry.path),
    prefix: "",
    link: "",
    mode: 0o644,
    size: data.length,
    major: 0,
    minor: 0,
  });
  const all = new Uint8Array(2 * BLOCK_SIZE + data.length + padding(data.length));
  all.set(header);
  all.set(data, BLOCK_SIZE);
  all.set(own, all.length - BLOCK_SIZE);
  return all;
}

/** Seconds since the epoch as pax(1) writes them: of a time before it, the fraction counts downwards. */
function decimalTime(seconds: number, nanoseconds: number): string {
  const isBefore = seconds < 0;
  const whole = isBefore ? -(seconds + 1) : seconds;
  const rest = isBefore ? 1e9 - nanoseconds : nanoseconds;
  return `${isBefore ? "-" : ""}${whole}.${`${rest}`.padStart(9, "0").replace(/0+$/, "")}`;
}

interface BlockFields extends HeaderFields {
  readonly typeflag: string;
  readonly name: ByteString;
  readonly prefix: ByteString;
}

function block(fields: BlockFields): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK_SIZE);
  const text = (value: ByteString, [at, length]: Field) => {
    bytes.set(bytesOf(value.slice(0, length)), at);
  };
  const octal = (value: number, [at, length]: Field) => {
    bytes.set(bytesOf(value.toString(8).padStart(length - 1, "0")), at);
  };
  text(fields.name, FIELD.name);
  octal(fields.mode, FIELD.mode);
  octal(fields.uid, FIELD.uid);
  octal(fields.gid, FIELD.gid);
  octal(fields.size, FIELD.size);
  octal(fields.mtime, FIELD.mtime);
  text("        ", FIELD.checksum);
  text(fields.typeflag, FIELD.typeflag);
  text(fields.link, FIELD.linkname);
  text("ustar\x0000", FIELD.magic);
  octal(fields.major, FIELD.major);
  octal(fields.minor, FIELD.minor);
  text(fields.prefix, FIELD.prefix);
  const sum = bytes.reduce((sum, byte) => sum + byte, 0);
  text(sum.toString(8).padStart(6, "0") + "\0 ", FIELD.checksum);
  return bytes;
}

/** A name as prefix and name at a slash, each short enough; undefined: does not fit. */
function splitName(path: ByteString): [prefix: ByteString, name: ByteString] | undefined {
  if (path.length <= FIELD.name[1]) return ["", path];
  const slash = path.indexOf("/", path.length - FIELD.name[1] - 1);
  if (slash <= 0 || slash > FIELD.prefix[1] || slash === path.length - 1) return undefined;
  return [path.slice(0, slash), path.slice(slash + 1)];
}

function paxHeaderName(path: ByteString): ByteString {
  return `PaxHeaders.0/${path.slice(path.lastIndexOf("/") + 1)}`.slice(0, FIELD.name[1]);
}

function paxRecord(key: ByteString, value: ByteString | Uint8Array): ByteString {
  let text = "";
  if (typeof value === "string") text = value;
  else for (const byte of value) text += String.fromCharCode(byte);
  const rest = ` ${key}=${text}\n`;
  // The length counts its own digits.
  let length = rest.length + 1;
  while (length !== rest.length + String(length).length) {
    length = rest.length + String(length).length;
  }
  return length + rest;
}
