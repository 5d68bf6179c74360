/** Tells by the first bytes how an archive is compressed, and undoes it. Names and types are never trusted. */
import { ArchiveError } from "../bytes/archive_error.ts";
import { type ByteSource, prependedSource } from "../bytes/source.ts";
import { BLOCK_SIZE, checksumMatches } from "../tar/tar_field.ts";

/** How an archive may be compressed. */
export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd";

interface Codec {
  readonly name: Compression;
  readonly magic: readonly number[];
  /** Loads the decompressor, only when it is needed. */
  open(source: ByteSource): Promise<ByteSource>;
}

const CODECS: readonly Codec[] = [
  {
    name: "gzip",
    magic: [0x1f, 0x8b],
    open: async (source) => (await import("./gzip.ts")).gunzipped(source),
  },
  {
    name: "bzip2",
    magic: [0x42, 0x5a, 0x68], // BZh
    open: async (source) => await (await import("./bzip2.ts")).bunzipped(source),
  },
  {
    name: "xz",
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
    open: async (source) => await (await import("./xz.ts")).unxzed(source),
  },
  {
    name: "zstd",
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    open: async (source) => await (await import("./zstd.ts")).unzstded(source),
  },
];

/**
 * The decompressed bytes of a source. Disposing the result disposes the source.
 *
 * @throws {ArchiveError} here or from `read()`: not an archive, damaged, truncated, or followed by garbage
 */
export async function decompressed(
  source: ByteSource,
): Promise<ByteSource & { readonly compression: Compression }> {
  try {
    return await sniffed(source);
  } catch (error) {
    source[Symbol.dispose]();
    throw error;
  }
}

async function sniffed(source: ByteSource) {
  const head = await firstBytes(source, BLOCK_SIZE);
  const whole = prependedSource(head, source);
  const codec = CODECS.find((codec) => codec.magic.every((byte, i) => head[i] === byte));
  if (codec !== undefined) {
    return Object.assign(await codec.open(whole), { compression: codec.name });
  }
  if (head.length === 0) throw new ArchiveError(`${source.name}: is empty`);
  if (head.length < BLOCK_SIZE || !checksumMatches(head, 0)) {
    throw new ArchiveError(
      `${source.name}: not an image: neither a tar archive nor one compressed with gzip, bzip2, xz or zstd`,
    );
  }
  return Object.assign(whole, { compression: "none" as const });
}

async function firstBytes(source: ByteSource, wanted: number): Promise<Uint8Array> {
  let head = new Uint8Array(0);
  while (head.length < wanted) {
    const chunk = await source.read();
    if (chunk === undefined) break;
    const longer = new Uint8Array(head.length + chunk.length);
    longer.set(head);
    longer.set(chunk, head.length);
    head = longer;
  }
  return head;
}
