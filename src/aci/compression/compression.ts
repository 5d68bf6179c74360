/** Tells by the first bytes how an archive is compressed, and undoes it. Names and types are never trusted. */
import { ArchiveError } from "../bytes/archive_error.ts";
import { type ByteSource, firstBytes, prependedSource } from "../bytes/source.ts";
import { BLOCK_SIZE, checksumMatches } from "../tar/tar_field.ts";

/** How an archive may be compressed. */
export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd";

/** The bytes that each begins with. */
export const MAGIC = {
  gzip: [0x1f, 0x8b],
  bzip2: [0x42, 0x5a, 0x68], // BZh
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
} as const;

/** Bytes that are enough to tell them apart. */
export const LONGEST_MAGIC = MAGIC.xz.length;

/** Whether bytes begin with these. */
export function beginsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/** Whether an archive that begins so is compressed. */
export function isCompressed(head: Uint8Array): boolean {
  return Object.values(MAGIC).some((magic) => beginsWith(head, magic));
}

interface Codec {
  readonly name: keyof typeof MAGIC;
  /** Loads the decompressor, only when it is needed. */
  open(source: ByteSource): Promise<ByteSource>;
}

const CODECS: readonly Codec[] = [
  {
    name: "gzip",
    open: async (source) => (await import("./gzip.ts")).gunzipped(source),
  },
  {
    name: "bzip2",
    open: async (source) => await (await import("./bzip2.ts")).bunzipped(source),
  },
  {
    name: "xz",
    open: async (source) => await (await import("./xz.ts")).unxzed(source),
  },
  {
    name: "zstd",
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
    const plain = await sniffed(source);
    return source.between === undefined
      ? plain
      : Object.assign(source.between(plain), { compression: plain.compression });
  } catch (error) {
    source[Symbol.dispose]();
    throw error;
  }
}

async function sniffed(source: ByteSource) {
  const head = await firstBytes(source, BLOCK_SIZE);
  const whole = prependedSource(head, source);
  const codec = CODECS.find(({ name }) => beginsWith(head, MAGIC[name]));
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
