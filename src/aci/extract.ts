/** Extracts images below a directory; nothing outside it is ever touched. */
import { renderLayers } from "./render.ts";
import { type ByteSource } from "./bytes/source.ts";
import type { ExtractedAci, ExtractOptions } from "./extract_options.ts";

/**
 * Extracts one image, without what it depends on, into `directory`, which exists and is empty. On
 * failure the directory is left half-filled: the caller works in a temporary one and renames it.
 *
 * @param source is disposed
 * @throws {ArchiveError} for a bad archive
 * @throws {Failure} when the disk is full and the like; both name the entry
 */
export async function extractAci(
  source: ByteSource,
  directory: string,
  options: ExtractOptions = {},
): Promise<ExtractedAci> {
  let first: ByteSource | undefined = source;
  const open = () => {
    const opened = first;
    first = undefined;
    if (opened === undefined) throw new Error("the archive of a single image is read once");
    return opened;
  };
  const layer = { id: "", open, ownPaths: undefined, inheritedPaths: [] };
  return await renderLayers([layer], directory, options);
}
