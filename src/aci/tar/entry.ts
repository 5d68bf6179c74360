/** Entries of archives, and who takes them. */
import type { ByteString } from "../../linux/byte_string.ts";
import type { SparseMap } from "./sparse.ts";

/** What an entry of an archive is. */
export type TarKind =
  | "file"
  | "directory"
  | "symlink"
  | "hardlink"
  | "character device"
  | "block device"
  | "fifo";

/** One entry. */
export interface TarEntry {
  readonly kind: TarKind;
  /** As in the archive; an `AciSink` gets it cleaned: no leading `./`, no `//`, no `/` at the end. */
  readonly path: ByteString;
  /** Target of a symlink (as it is) or of a hardlink (a path in the archive); else empty. */
  readonly link: ByteString;
  /** Permission bits with setuid, setgid and sticky: at most 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the file when extracted (holes of sparse files included). */
  readonly size: number;
  /** Seconds since the epoch (may be negative) and nanoseconds (0–999999999). */
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly major: number;
  readonly minor: number;
  /** Extended attributes by their full name (`user.mime_type`). */
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
  /** Whether the data come in pieces with holes between. */
  readonly sparse: boolean;
  /** Of a sparse file: where its data, which lie in one piece in the archive, are in the file. */
  readonly pieces?: Readonly<SparseMap>;
  /** The first header's offset in the uncompressed archive. */
  readonly offset: number;
  /** Where its data begin in the uncompressed archive; 0 for what was not read from one. */
  readonly dataOffset: number;
}

/** Takes what the parser finds. */
export interface TarSink {
  /** @returns whether the entry's data are wanted */
  entry(entry: TarEntry): boolean;
  /** Data of the last entry: `chunk[from, to)`, at `offset` in the file. */
  data(chunk: Uint8Array, from: number, to: number, offset: number): void;
  /** The wanted entry's data are complete. */
  end(entry: TarEntry): void;
}
