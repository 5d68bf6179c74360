/** Entries and their data as an archive. */
import type { TarEntry } from "./entry.ts";
import { sparseHeader } from "./sparse_writer.ts";
import { padding } from "./tar_field.ts";
import { ARCHIVE_END, tarHeader } from "./tar_writer.ts";

/** How an archive is written. */
export interface ArchiveOptions {
  /** Whether times keep their parts of a second. Without, as `tar` and Go's archives do, a tree of files has fewer headers. */
  readonly fractions?: boolean;
}

/**
 * Entries and their data as the blocks of an archive, up to its end. A chunk is valid until the next one.
 *
 * @param items an entry is followed by its data, a sparse one by those of its pieces
 */
export function* archived(
  items: Iterable<TarEntry | Uint8Array<ArrayBuffer>>,
  { fractions = false }: ArchiveOptions = {},
): Generator<Uint8Array<ArrayBuffer>> {
  let rest = 0;
  for (const item of items) {
    if (item instanceof Uint8Array) {
      yield item;
      continue;
    }
    if (rest > 0) yield new Uint8Array(rest);
    const entry = fractions ? item : { ...item, mtimeNs: 0 };
    if (item.pieces !== undefined) {
      const { bytes, data } = sparseHeader(entry, item.pieces);
      yield bytes;
      rest = padding(data);
    } else {
      yield tarHeader(entry);
      rest = item.kind === "file" ? padding(item.size) : 0;
    }
  }
  if (rest > 0) yield new Uint8Array(rest);
  yield ARCHIVE_END;
}
