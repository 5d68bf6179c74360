/** Archives for tests, made entry by entry; also such as no tar would write. */
import { byteAt } from "../../linux/bytes.ts";
import { bytesOf, type ByteString } from "../../linux/byte_string.ts";
import { BLOCK_SIZE, FIELD, type Field, padding } from "../tar/tar_field.ts";
import { ARCHIVE_END, type HeaderFields, tarHeader } from "../tar/tar_writer.ts";

/** A manifest that parses. */
export const MANIFEST_TEXT =
  '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/test","labels":' +
  '[{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}]}';

/** Fields of an entry; the rest is filled in. */
export type EntryFields = Partial<HeaderFields> & Pick<HeaderFields, "path">;

/** Joins bytes. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Data up to the end of a block. */
export function padded(data: Uint8Array): Uint8Array {
  return joined(data, new Uint8Array(padding(data.length)));
}

/** An entry: headers, data, padding. Text is given as a byte string. */
export function entry(fields: EntryFields, data: Uint8Array | ByteString = ""): Uint8Array {
  const bytes = typeof data === "string" ? bytesOf(data) : data;
  const whole: HeaderFields = {
    kind: "file",
    link: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: bytes.length,
    mtime: 1_000_000_000,
    major: 0,
    minor: 0,
    xattrs: new Map(),
    ...fields,
  };
  return joined(tarHeader(whole), padded(bytes));
}

/** A directory's entry. */
export function directory(path: ByteString, fields: Partial<HeaderFields> = {}): Uint8Array {
  return entry({ kind: "directory", path, mode: 0o755, ...fields });
}

/** A symlink's entry. */
export function symlink(path: ByteString, link: ByteString): Uint8Array {
  return entry({ kind: "symlink", path, link, mode: 0o777 });
}

/** A hardlink's entry. */
export function hardlink(path: ByteString, link: ByteString): Uint8Array {
  return entry({ kind: "hardlink", path, link });
}

/** The manifest's entry. */
export function manifest(text: string = MANIFEST_TEXT): Uint8Array {
  return entry({ path: "manifest" }, text);
}

/** Entries and the archive's end. */
export function archive(...entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return joined(...entries, ARCHIVE_END);
}

/** An image: manifest, `rootfs` and entries. */
export function image(...entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return archive(manifest(), directory("rootfs"), ...entries);
}

/** A header of which fields are overwritten, as bytes with one unit each; the checksum is put right. */
export function altered(
  header: Uint8Array,
  changes: readonly (readonly [Field, ByteString])[],
): Uint8Array {
  const bytes = header.slice();
  for (const [[at, length], value] of changes) {
    bytes.fill(0, at, at + length);
    bytes.set(bytesOf(value.slice(0, length)), at);
  }
  const [at, length] = FIELD.checksum;
  bytes.fill(0x20, at, at + length);
  let sum = 0;
  for (const byte of bytes.subarray(0, BLOCK_SIZE)) sum += byte;
  bytes.set(bytesOf(sum.toString(8).padStart(6, "0") + "\0 "), at);
  return bytes;
}

/** An entry of any type, like a PAX header (`x`) or a GNU long name (`L`). */
export function special(typeflag: string, data: ByteString, path = "special"): Uint8Array {
  const header = entry({ path, size: data.length }).subarray(0, BLOCK_SIZE);
  return joined(altered(header, [[FIELD.typeflag, typeflag]]), padded(bytesOf(data)));
}

/** A PAX record with its length. */
export function paxRecord(key: ByteString, value: ByteString): ByteString {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (length !== rest.length + String(length).length) {
    length = rest.length + String(length).length;
  }
  return length + rest;
}

/** Changes bits of one byte. */
export function flip(bytes: Uint8Array, at: number, bits: number): void {
  bytes[at] = byteAt(bytes, at) ^ bits;
}
