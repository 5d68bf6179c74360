/** Writes sparse files in GNU tar's form for PAX, version 1.0 (GNU tar manual, "Storing Sparse Files"): its map is before the data. */
import { bytesOf } from "../../linux/byte_string.ts";
import type { TarEntry } from "./entry.ts";
import type { SparseMap } from "./sparse.ts";
import { padding } from "./tar_field.ts";
import { tarHeader } from "./tar_writer.ts";

/** The headers and the map of a sparse file, and how many bytes follow. */
export interface SparseHeader {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the file's data, without padding. */
  readonly data: number;
}

/** The headers of a file that has its data in pieces. */
export function sparseHeader(entry: TarEntry, pieces: Readonly<SparseMap>): SparseHeader {
  const map = mapBytes(pieces, entry.size);
  const data = pieces.reduce((sum, value, i) => i % 2 === 1 ? sum + value : sum, 0);
  const name = entry.path.slice(entry.path.lastIndexOf("/") + 1);
  const head = tarHeader(
    // What a reader that does not know the form makes of it.
    { ...entry, path: `GNUSparseFile.0/${name}`.slice(0, 100), size: map.length + data },
    [
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", entry.path],
      ["GNU.sparse.realsize", `${entry.size}`],
    ],
  );
  const bytes = new Uint8Array(head.length + map.length);
  bytes.set(head);
  bytes.set(map, head.length);
  return { bytes, data };
}

/** How many pieces, and offset and length of each, a line each; a hole at the end is in front of an empty piece. */
function mapBytes(pieces: Readonly<SparseMap>, size: number): Uint8Array<ArrayBuffer> {
  const end = (pieces.at(-2) ?? 0) + (pieces.at(-1) ?? 0);
  const all = end < size ? [...pieces, size, 0] : pieces;
  const text = bytesOf([all.length / 2, ...all].map((value) => `${value}\n`).join(""));
  const bytes = new Uint8Array(text.length + padding(text.length));
  bytes.set(text);
  return bytes;
}
