import { type ByteSource } from "./source.ts";

/** How an archive may be compressed. */
export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd";

/**
 * The decompressed bytes of a source, whose compression is told by its magic bytes. Disposing the
 * result disposes the source.
 *
 * @throws {ArchiveError} here or from `read()`: damaged, truncated, or followed by garbage
 */
export function decompressed(
  _source: ByteSource,
): Promise<ByteSource & { compression: Compression }> {
  throw new Error("not yet");
}
