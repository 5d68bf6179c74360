/**
 * Sparse files in GNU tar's four forms (GNU tar manual, "Storing Sparse Files"): the old header `S`,
 * and PAX 0.0, 0.1 and 1.0.
 */
import { byteAt } from "../../linux/bytes.ts";
import { byteString } from "../../linux/byte_string.ts";
import { paxNumber, type PaxRecords } from "./pax.ts";
import { FIELD, fieldNumber } from "./tar_field.ts";

/** Where data lie in a sparse file: offset, length, offset, length, … */
export type SparseMap = number[];

/** Pieces of one sparse file that we accept; GNU tar itself writes one per run of data. */
export const MAX_SPARSE_PIECES = 1 << 18;

/** Largest sparse file: ext4's limit. A small archive must not make files that nobody can copy. */
export const MAX_SPARSE_SIZE = 2 ** 44;

/** What PAX records say about a sparse file. */
export interface PaxSparse {
  /** "in data": version 1.0, the map stands before the data. */
  readonly map: SparseMap | "in data";
  readonly realSize: number;
}

/**
 * The sparse file in PAX records; undefined when there is none.
 *
 * @throws {SyntaxError}
 */
export function paxSparse(records: PaxRecords): PaxSparse | undefined {
  const values = new Map<string, string>();
  const pairs: string[] = [];
  for (const [key, value] of records) {
    if (!key.startsWith("GNU.sparse.")) continue;
    const name = key.slice(11);
    const text = byteString(value);
    if (name === "offset" || name === "numbytes") {
      if ((name === "offset") !== (pairs.length % 2 === 0)) {
        throw new SyntaxError("sparse offsets and lengths do not alternate");
      }
      pairs.push(text);
    } else values.set(name, text);
  }
  if (values.size === 0 && pairs.length === 0) return undefined;
  const size = paxNumber(values.get("realsize") ?? values.get("size") ?? "");
  if (size === undefined) throw new SyntaxError("a sparse file without its size");
  const version = `${values.get("major") ?? "0"}.${values.get("minor") ?? "0"}`;
  if (version === "1.0") return { map: "in data", realSize: size };
  if (values.has("major") && values.get("major") !== "0") {
    throw new SyntaxError("a sparse file of a version that nobody knows");
  }
  const list = values.get("map");
  const texts = list === undefined ? pairs : list === "" ? [] : list.split(",");
  return { map: texts.map(mapNumber), realSize: size };
}

function mapNumber(text: string): number {
  const value = paxNumber(text);
  if (value === undefined) throw new SyntaxError("a sparse map with something else than numbers");
  return value;
}

/**
 * Appends the entries of an old GNU header or of its extension blocks, up to the first empty one.
 *
 * @param count 4 in the header (at 386), 21 in an extension block (at 0)
 * @throws {SyntaxError}
 */
export function appendOldMap(map: SparseMap, block: Uint8Array, start: number, count: number) {
  for (let i = 0; i < count; i++) {
    const at = start + i * 24;
    if (block[at] === 0 && block[at + 12] === 0) return;
    const offset = fieldNumber(block, at, [0, 12]);
    const length = fieldNumber(block, at, [12, 12]);
    if (offset === undefined || length === undefined) {
      throw new SyntaxError("a sparse map with something else than numbers");
    }
    map.push(offset, length);
    if (map.length > 2 * MAX_SPARSE_PIECES) {
      throw new SyntaxError("too many pieces in a sparse file");
    }
  }
}

/** Where the map of an old GNU header begins. */
export const OLD_MAP_OFFSET = FIELD.sparseMap[0];

/** Collects the map of version 1.0: decimal numbers, a line each, padded to a block's end. */
export class SparseMapReader {
  readonly map: SparseMap = [];
  #wanted: number | undefined;
  #digits = "";

  /**
   * Takes a block of 512 bytes.
   *
   * @returns whether the map is complete; the rest of the block is padding
   * @throws {SyntaxError}
   */
  take(block: Uint8Array, start: number): boolean {
    for (let i = start; i < start + 512; i++) {
      if (block[i] !== 0x0a) {
        this.#digits += String.fromCharCode(byteAt(block, i));
        if (this.#digits.length > 20) throw new SyntaxError("a sparse map without line ends");
        continue;
      }
      const value = mapNumber(this.#digits);
      this.#digits = "";
      if (this.#wanted === undefined) {
        if (value > MAX_SPARSE_PIECES) throw new SyntaxError("too many pieces in a sparse file");
        this.#wanted = 2 * value;
      } else this.map.push(value);
      if (this.map.length === this.#wanted) return true;
    }
    return false;
  }
}

/**
 * Insists that a map is in order, without overlap, inside the file, and as long as its data.
 *
 * @param stored bytes of data in the archive
 * @throws {SyntaxError}
 */
export function checkSparseMap(map: SparseMap, realSize: number, stored: number) {
  if (realSize > MAX_SPARSE_SIZE) throw new SyntaxError(`a sparse file of ${realSize} bytes`);
  let end = 0;
  let sum = 0;
  if (map.length % 2 !== 0) throw new SyntaxError("a sparse map with an offset but no length");
  for (let i = 0; i < map.length; i += 2) {
    const [offset, length] = [map[i], map[i + 1]];
    if (offset === undefined || length === undefined) break; // the length is even
    if (offset < end || length < 0 || offset + length > realSize) {
      throw new SyntaxError("a sparse map that overlaps or leaves its file");
    }
    end = offset + length;
    sum += length;
  }
  if (sum !== stored) throw new SyntaxError("a sparse map that does not fit its data");
}

/** Bytes that a file's data take in its archive: without the holes of a sparse one. */
export function storedSize(
  { size, pieces }: { readonly size: number; readonly pieces?: Readonly<SparseMap> },
): number {
  if (pieces === undefined) return size;
  let sum = 0;
  for (let i = 1; i < pieces.length; i += 2) sum += pieces[i] ?? 0;
  return sum;
}
