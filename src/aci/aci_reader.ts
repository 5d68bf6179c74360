/** Reads App Container Images: one pass over the bytes gives image ID, manifest and entries. */
import { type ByteSource } from "./source.ts";
import { type TarEntry } from "./tar.ts";

/** What one pass over an image told. */
export interface AciContents {
  /** `sha512-` and 128 hex digits, over the uncompressed archive. */
  readonly imageId: string;
  /** The text of the manifest, not parsed: `parseImageManifest(manifestText)` does that. */
  readonly manifestText: string;
  /** Bytes of the uncompressed archive. */
  readonly size: number;
}

/** Takes what a pass over an image sees, as it goes. All optional, all synchronous. */
export interface AciSink {
  /** The bytes of the uncompressed archive; the chunk is valid only during the call. */
  bytes?(chunk: Uint8Array): void;
  /**
   * An entry below `rootfs`, or `rootfs` itself, or `manifest`; names are cleaned and checked.
   *
   * @returns whether its data are wanted
   */
  entry?(entry: TarEntry): boolean;
  /** Data of the entry that was last announced: `chunk[from, to)`, at `offset` in the file. */
  data?(chunk: Uint8Array, from: number, to: number, offset: number): void;
  /** The wanted entry's data are complete. */
  end?(entry: TarEntry): void;
}

/**
 * Reads an image to its end, decompressing as needed, and checks its structure: a file `manifest`
 * and a directory `rootfs`, nothing else, nothing twice. Does not dispose the source.
 *
 * @throws {ArchiveError}
 */
export function readAci(_source: ByteSource, _sink: AciSink = {}): Promise<AciContents> {
  throw new Error("not yet");
}

/**
 * Reads only as far as the manifest (writers may put it last). The rest is not checked.
 *
 * @throws {ArchiveError}
 */
export function readManifestText(_source: ByteSource): Promise<string> {
  throw new Error("not yet");
}
