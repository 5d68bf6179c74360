/** Extracts images below a directory; nothing outside it is ever touched. */
import { type AciContents } from "./aci_reader.ts";
import { renderLayers } from "./render.ts";
import { type ByteSource } from "./bytes/source.ts";
import { type Ownership } from "./tree_writer.ts";

/** How to extract. */
export interface ExtractOptions extends Ownership {
  /** Only what is below `rootfs/`, without that prefix. Default: `manifest` and `rootfs`. */
  readonly rootfsOnly?: boolean;
  /** Also gets the uncompressed bytes, to store them in the same pass. */
  readonly onBytes?: (chunk: Uint8Array) => void;
  /**
   * What to do with hardlinks whose target is not in the image. `report`: leave them out and tell; an
   * image below may have the target. Default: refuse.
   */
  readonly danglingLinks?: "refuse" | "report";
}

/** What an image contained that was extracted. */
export interface ExtractedAci extends AciContents {
  /** With `danglingLinks: "report"`: the first such link, as the message of a failure. */
  readonly danglingLink?: string;
}

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
