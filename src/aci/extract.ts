/** Extracts images below a directory; nothing outside it is ever touched. */
import { type AciContents } from "./aci_reader.ts";
import { type ByteSource } from "./source.ts";

/** How to extract. */
export interface ExtractOptions {
  /** Only what is below `rootfs/`, without that prefix. Default: `manifest` and `rootfs`. */
  readonly rootfsOnly?: boolean;
  /** Maps the archive's owners (user namespaces). Default: as they are. */
  readonly mapUid?: (uid: number) => number;
  readonly mapGid?: (gid: number) => number;
  /** false: owners, device nodes and `security.*` are left out (for callers without root). Default: true. */
  readonly privileged?: boolean;
  /** Also gets the uncompressed bytes, to store them in the same pass. */
  readonly onBytes?: (chunk: Uint8Array) => void;
}

/**
 * Extracts one image into `directory`, which exists and is empty. On failure the directory is left
 * half-filled: the caller works in a temporary one and renames it.
 *
 * @throws {ArchiveError} for a bad archive
 * @throws {Failure} when the disk is full and the like; both name the entry
 */
export function extractAci(
  _source: ByteSource,
  _directory: string,
  _options: ExtractOptions = {},
): Promise<AciContents> {
  throw new Error("not yet");
}
