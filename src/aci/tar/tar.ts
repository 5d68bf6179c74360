/**
 * A tar parser for root file systems: ustar, GNU, PAX, star; bytes in, entries out. It is pushed, so
 * that the same chunk can be hashed, stored and parsed, whether it comes from a disk or a network.
 */
import { byteAt } from "../../linux/bytes.ts";
import { ArchiveError } from "../bytes/archive_error.ts";
import { type ByteString, byteString, shown } from "../../linux/byte_string.ts";
import type { TarEntry, TarKind, TarSink } from "./entry.ts";
import { parsePaxRecords, type PaxRecords } from "./pax.ts";
import { MAX_ID, type PaxFields, paxFields } from "./pax_fields.ts";
import {
  appendOldMap,
  checkSparseMap,
  OLD_MAP_OFFSET,
  type SparseMap,
  SparseMapReader,
} from "./sparse.ts";
import {
  BLOCK_SIZE,
  checksumMatches,
  DUMP_DIRECTORY,
  FIELD,
  type Field,
  fieldNumber,
  fieldText,
  isZeroBlock,
  padding,
  VOLUME_LABEL,
} from "./tar_field.ts";

/** Longest path or link target: Linux' PATH_MAX (include/uapi/linux/limits.h). */
export const MAX_NAME = 4096;
/** Largest extended header that is held in memory. Linux allows 64 KiB per extended attribute. */
export const MAX_EXTENDED_HEADER = 1 << 20;

const KINDS: Readonly<Record<string, TarKind>> = {
  "\0": "file",
  "0": "file",
  "7": "file", // contiguous: nobody makes a difference
  "S": "file", // old GNU sparse
  "1": "hardlink",
  "2": "symlink",
  "3": "character device",
  "4": "block device",
  "5": "directory",
  "6": "fifo",
};

/** Headers that say something about the next one, with the largest size that we accept. */
const EXTENSIONS: Readonly<Record<string, readonly [what: string, limit: number]>> = {
  "x": ["an extended header", MAX_EXTENDED_HEADER],
  "g": ["a global header", MAX_EXTENDED_HEADER],
  "L": ["a long name", MAX_NAME + 1],
  "K": ["a long link name", MAX_NAME + 1],
};

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();
const NO_PAX: PaxFields = {};

/** What stood before an entry's own header. */
interface Extensions {
  offset: number;
  pax?: PaxRecords;
  longName?: ByteString;
  longLink?: ByteString;
}

/** Parses one archive: `push()` its bytes, then `finish()`. */
export class TarParser {
  readonly #name: string;
  readonly #sink: TarSink;
  /** Bytes pushed before the present chunk. */
  #base = 0;
  /** A block that came in two chunks. */
  readonly #block = new Uint8Array(BLOCK_SIZE);
  #blockFill = 0;
  /** Takes the next block: a header, an extension of a sparse header, or a sparse map. */
  #onBlock: (block: Uint8Array, start: number, offset: number) => void = this.#header;
  #meta: { typeflag: string; bytes: Uint8Array; fill: number } | undefined;
  #extensions: Extensions | undefined;
  #entry: TarEntry | undefined;
  #wanted = false;
  #left = 0;
  #written = 0;
  #map: SparseMap = [];
  #piece = 0;
  #skip = 0;
  #zeroBlocks = 0;

  /** @param name what the archive is called in messages */
  constructor(name: string, sink: TarSink) {
    this.#name = name;
    this.#sink = sink;
  }

  /** Takes the next bytes. The chunk is not kept. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) at = this.#data(chunk, at);
      else if (this.#skip > 0) {
        const n = Math.min(this.#skip, chunk.length - at);
        this.#skip -= n;
        at += n;
      } else if (this.#meta !== undefined) at = this.#extension(chunk, at);
      else at = this.#nextBlock(chunk, at);
    }
    this.#base += chunk.length;
  }

  /**
   * Insists that the archive has ended, by two zero blocks; one is taken too, as tar does.
   *
   * @param end `optional`: it may also end behind an entry, as what umoci writes does. That is for bytes whose digest is known:
   *   nothing else tells that they are whole.
   */
  finish(end: "needed" | "optional" = "needed"): void {
    if (this.#zeroBlocks >= 2) return;
    const isBetween = this.#left === 0 && this.#blockFill === 0 && this.#meta === undefined &&
      this.#extensions === undefined && this.#onBlock === this.#header;
    if (isBetween && (end === "optional" || this.#zeroBlocks > 0)) return;
    const entry = this.#entry === undefined ? "" : `, in or after entry ${shown(this.#entry.path)}`;
    throw new ArchiveError(`${this.#name}: ends too early: at byte ${this.#base}${entry}`);
  }

  #nextBlock(chunk: Uint8Array, at: number): number {
    if (this.#blockFill === 0 && chunk.length - at >= BLOCK_SIZE) {
      this.#onBlock(chunk, at, this.#base + at);
      return at + BLOCK_SIZE;
    }
    const n = Math.min(BLOCK_SIZE - this.#blockFill, chunk.length - at);
    this.#block.set(chunk.subarray(at, at + n), this.#blockFill);
    this.#blockFill += n;
    // What follows the end is zeros, in no certain number.
    if (this.#zeroBlocks >= 2) {
      if (!isZeroBlock(chunk, at, n)) {
        this.#fail(this.#base + at, "garbage after the archive's end");
      }
      this.#blockFill = 0;
    } else if (this.#blockFill === BLOCK_SIZE) {
      this.#blockFill = 0;
      this.#onBlock(this.#block, 0, this.#base + at + n - BLOCK_SIZE);
    }
    return at + n;
  }

  #header(block: Uint8Array, start: number, offset: number): void {
    if (block[start] === 0 && isZeroBlock(block, start)) {
      if (this.#extensions !== undefined) {
        this.#fail(offset, "the archive ends in an entry's headers");
      }
      this.#zeroBlocks++;
      return;
    }
    if (this.#zeroBlocks > 0) this.#fail(offset, "garbage after the archive's end");
    if (!checksumMatches(block, start)) {
      this.#fail(offset, "no tar header here, or a damaged one: its checksum does not match");
    }
    const typeflag = String.fromCharCode(byteAt(block, start + FIELD.typeflag[0]));
    const size = fieldNumber(block, start, FIELD.size);
    if (size === undefined || size < 0) this.#fail(offset, "a header with an impossible size");
    if (typeflag === VOLUME_LABEL) return void (this.#skip = size + padding(size));
    const extension = EXTENSIONS[typeflag];
    if (extension === undefined) return this.#member(block, start, offset, typeflag, size);
    const [what, limit] = extension;
    if (size > limit) {
      this.#fail(offset, `${what} of ${size} bytes; at most ${limit} are accepted`);
    }
    if (size === 0) return this.#extended(typeflag, new Uint8Array(0), offset);
    this.#meta = { typeflag, bytes: new Uint8Array(size), fill: 0 };
  }

  #extension(chunk: Uint8Array, at: number): number {
    const meta = this.#meta;
    if (meta === undefined) return at;
    const n = Math.min(meta.bytes.length - meta.fill, chunk.length - at);
    meta.bytes.set(chunk.subarray(at, at + n), meta.fill);
    meta.fill += n;
    if (meta.fill === meta.bytes.length) {
      this.#meta = undefined;
      this.#skip = padding(meta.fill);
      this.#extended(meta.typeflag, meta.bytes, this.#base + at + n - meta.fill - BLOCK_SIZE);
    }
    return at + n;
  }

  #extended(typeflag: string, bytes: Uint8Array, offset: number): void {
    if (typeflag === "g") return;
    const key = typeflag === "x" ? "pax" : typeflag === "L" ? "longName" : "longLink";
    const extensions: Extensions = this.#extensions ??= { offset };
    if (extensions[key] !== undefined) this.#fail(offset, "two extended headers for one entry");
    if (key !== "pax") {
      const end = bytes.indexOf(0);
      extensions[key] = byteString(bytes, 0, end < 0 ? bytes.length : end);
      return;
    }
    try {
      extensions.pax = parsePaxRecords(bytes);
    } catch (error) {
      this.#fail(offset, `an extended header that is malformed: ${messageOf(error)}`);
    }
  }

  /** An entry's own header. */
  #member(block: Uint8Array, start: number, at: number, typeflag: string, size: number): void {
    const extensions = this.#extensions;
    this.#extensions = undefined;
    const offset = extensions?.offset ?? at;
    const pax = this.#paxFields(extensions?.pax, offset);
    const places = { offset, dataOffset: at + BLOCK_SIZE };
    if (typeflag === DUMP_DIRECTORY) {
      const entry = this.#entryOf(block, start, places, "5", 0, extensions, pax);
      this.#checkEntry({ ...entry, size: 0 });
      this.#begin({ ...entry, size: 0 }, 0, []);
      this.#skip = size + padding(size);
      return;
    }
    const entry = this.#entryOf(block, start, places, typeflag, size, extensions, pax);
    this.#checkEntry(entry);
    const isOldSparse = typeflag === "S";
    const sparse = isOldSparse ? this.#oldSparse(block, start, entry) : pax.sparse;
    if (sparse === undefined || entry.kind !== "file") return this.#begin(entry, entry.size, []);
    const whole = { ...entry, size: sparse.realSize, sparse: true };
    const isExtended = isOldSparse && block[start + FIELD.sparseExtended[0]] !== 0;
    this.#sparse(whole, sparse.map, entry.size, isExtended);
  }

  #paxFields(records: PaxRecords | undefined, offset: number): PaxFields {
    if (records === undefined) return NO_PAX;
    try {
      return paxFields(records);
    } catch (error) {
      return this.#fail(offset, `an extended header that is malformed: ${messageOf(error)}`);
    }
  }

  #entryOf(
    block: Uint8Array,
    start: number,
    { offset, dataOffset }: Pick<TarEntry, "offset" | "dataOffset">,
    typeflag: string,
    size: number,
    extensions: Extensions | undefined,
    pax: PaxFields,
  ): TarEntry {
    const number = (field: Field, what: string, limit: number): number => {
      const value = fieldNumber(block, start, field);
      if (value === undefined || value < 0 || value > limit) {
        this.#fail(offset, `a header with an impossible ${what}`);
      }
      return value;
    };
    const mtime = fieldNumber(block, start, FIELD.mtime);
    if (mtime === undefined) this.#fail(offset, "a header with an impossible time");
    const path = pax.path ?? extensions?.longName ?? headerName(block, start);
    const kind = KINDS[typeflag];
    if (kind === undefined) {
      return this.#failEntry(
        { path, offset },
        `has a type that no image may contain (${shown(typeflag)})`,
      );
    }
    const isLink = kind === "symlink" || kind === "hardlink";
    const isDevice = kind === "character device" || kind === "block device";
    return {
      // Before there was a type for directories, a slash at the end told them.
      kind: typeflag === "\0" && path.endsWith("/") ? "directory" : kind,
      path,
      link: isLink
        ? pax.link ?? extensions?.longLink ?? fieldText(block, start, FIELD.linkname)
        : "",
      mode: number(FIELD.mode, "mode", Number.MAX_SAFE_INTEGER) % 0o10000,
      uid: pax.uid ?? number(FIELD.uid, "owner", MAX_ID),
      gid: pax.gid ?? number(FIELD.gid, "group", MAX_ID),
      size: pax.size ?? size,
      mtime: pax.time?.seconds ?? mtime,
      mtimeNs: pax.time?.nanoseconds ?? 0,
      // Linux: 12 bits of major, 20 bits of minor (include/linux/kdev_t.h).
      major: isDevice ? number(FIELD.major, "device number", 0xfff) : 0,
      minor: isDevice ? number(FIELD.minor, "device number", 0xfffff) : 0,
      xattrs: pax.xattrs ?? NO_XATTRS,
      sparse: false,
      offset,
      dataOffset,
    };
  }

  #checkEntry(entry: TarEntry): void {
    const { kind, path, link } = entry;
    const fail = (what: string): never => this.#failEntry(entry, what);
    if (path === "") fail("has no name");
    if (path.length > MAX_NAME) fail(`has a name longer than ${MAX_NAME} bytes`);
    if (path.includes("\0")) fail("has a NUL byte in its name");
    if (kind !== "file" && entry.size !== 0) fail(`is a ${kind}, but has data`);
    if (kind !== "symlink" && kind !== "hardlink") return;
    if (link === "") fail("is a link without a target");
    if (link.length > MAX_NAME) fail(`has a target longer than ${MAX_NAME} bytes`);
    if (link.includes("\0")) fail("has a NUL byte in its target");
  }

  #oldSparse(block: Uint8Array, start: number, entry: TarEntry) {
    const realSize = fieldNumber(block, start, FIELD.sparseRealSize);
    if (realSize === undefined || realSize < 0) {
      return this.#failEntry(entry, "is a sparse file with an impossible size");
    }
    const map: SparseMap = [];
    this.#trySparse(entry, () => appendOldMap(map, block, start + OLD_MAP_OFFSET, 4));
    return { map, realSize };
  }

  /** Sees to the blocks between a sparse file's header and its data. */
  #sparse(entry: TarEntry, map: SparseMap | "in data", stored: number, extended: boolean): void {
    if (map === "in data") {
      const reader = new SparseMapReader();
      let left = stored;
      this.#onBlock = (block, start, offset) => {
        left -= BLOCK_SIZE;
        if (left < 0) this.#failEntry(entry, "is a sparse file whose map is longer than its data");
        if (!this.#trySparse(entry, () => reader.take(block, start))) return;
        this.#begin(
          { ...entry, pieces: reader.map, dataOffset: offset + BLOCK_SIZE },
          left,
          reader.map,
        );
      };
    } else if (extended) {
      this.#onBlock = (block, start, offset) => {
        this.#trySparse(entry, () => appendOldMap(map, block, start, 21));
        if (block[start + 504] !== 0) return;
        this.#begin({ ...entry, pieces: map, dataOffset: offset + BLOCK_SIZE }, stored, map);
      };
    } else this.#begin({ ...entry, pieces: map, dataOffset: entry.dataOffset }, stored, map);
  }

  #trySparse<T>(entry: TarEntry, step: () => T): T {
    try {
      return step();
    } catch (error) {
      return this.#failEntry(entry, `is malformed: ${messageOf(error)}`);
    }
  }

  /** All headers of an entry are read: announces it, and its data come next. */
  #begin(entry: TarEntry, stored: number, map: SparseMap): void {
    this.#onBlock = this.#header;
    if (entry.sparse) this.#trySparse(entry, () => checkSparseMap(map, entry.size, stored));
    else if (stored > 0) map = [0, stored];
    this.#entry = entry;
    this.#wanted = this.#sink.entry(entry);
    this.#map = map;
    this.#piece = 0;
    this.#written = 0;
    this.#left = stored;
    this.#skip = padding(stored);
    if (stored === 0 && this.#wanted) this.#sink.end(entry);
  }

  #data(chunk: Uint8Array, at: number): number {
    const map = this.#map;
    while (this.#written === map[this.#piece + 1]) {
      this.#piece += 2;
      this.#written = 0;
    }
    const [offset, length] = [map[this.#piece], map[this.#piece + 1]];
    if (offset === undefined || length === undefined) throw new Error("more data than the map has");
    const n = Math.min(length - this.#written, chunk.length - at);
    if (this.#wanted) this.#sink.data(chunk, at, at + n, offset + this.#written);
    this.#written += n;
    this.#left -= n;
    if (this.#left === 0 && this.#wanted && this.#entry !== undefined) this.#sink.end(this.#entry);
    return at + n;
  }

  #fail(offset: number, what: string): never {
    throw new ArchiveError(`${this.#name}: at byte ${offset}: ${what}`);
  }

  #failEntry(entry: Pick<TarEntry, "path" | "offset">, what: string): never {
    throw new ArchiveError(
      `${this.#name}: entry ${shown(entry.path)} at byte ${entry.offset} ${what}`,
    );
  }
}

const isPosix = (magic: ByteString): boolean => magic === "ustar";

function headerName(block: Uint8Array, start: number): ByteString {
  const name = fieldText(block, start, FIELD.name);
  // GNU's "ustar  " has other things where POSIX has the prefix.
  if (block[start + FIELD.prefix[0]] === 0) return name;
  if (!isPosix(fieldText(block, start, FIELD.magic))) return name;
  const isStar = fieldText(block, start, FIELD.starMagic) === "tar";
  return fieldText(block, start, isStar ? FIELD.starPrefix : FIELD.prefix) + "/" + name;
}

function messageOf(error: unknown): string {
  if (error instanceof SyntaxError) return error.message;
  throw error;
}
