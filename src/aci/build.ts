/** Writes App Container Images from a root file system directory. */

/** What to build. */
export interface BuildOptions {
  /** The directory that becomes `rootfs`. */
  readonly rootfs: string;
  /** The manifest's text, exactly as it is to stand in the image. */
  readonly manifest: string;
  /** The file to write. */
  readonly out: string;
  /** Default: gzip. */
  readonly compression?: "gzip" | "none";
  /** Replace an existing file. Default: false. */
  readonly overwrite?: boolean;
}

/**
 * Builds an image; the same input gives the same image ID. Written to a temporary file beside `out`,
 * synced, then renamed.
 *
 * @returns the image ID, `sha512-` and 128 hex digits
 * @throws {Failure}
 */
export function buildAci(_options: BuildOptions): Promise<string> {
  throw new Error("not yet");
}
