/** Reads a layer as it is transported: decompressed, hashed, and told what it says, in one pass. */
import { createHash } from "node:crypto";
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { type ByteSource, firstBytes, prependedSource } from "../aci/bytes/source.ts";
import { beginsWith, MAGIC } from "../aci/compression/compression.ts";
import type { TarEntry } from "../aci/tar/entry.ts";
import { type LayerEntries, LayerReader } from "./layer_entries.ts";

/** What one pass over a layer told. */
export interface ReadLayer {
  readonly entries: LayerEntries;
  /** The diff ID: `sha256:` and 64 digits, over the uncompressed tar. */
  readonly diffId: string;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
}

/** A layer that grows to more than this is looked at: bytes. */
const LARGE = 1 << 30;
/** What no compression of real files reaches: gzip does not go beyond 1032, and zeros are no image. */
const MAX_RATIO = 500;

/** The first byte varies, from 0x50 to 0x5f (RFC 8878, "Skippable Frames"). */
const SKIPPABLE = [0x2a, 0x4d, 0x18];

/**
 * Reads a layer to its end. The source is disposed.
 *
 * @param onBytes also gets the uncompressed bytes; the chunk is valid until it is done
 * @param onEntry is told of each entry of the tar, before `onBytes` gets the end of its header
 * @throws {ArchiveError} damaged, cut short, followed by garbage, or of no known compression
 */
export async function readLayer(
  source: ByteSource,
  onBytes: (chunk: Uint8Array) => void | Promise<void> = () => {},
  onEntry?: (entry: TarEntry) => void,
): Promise<ReadLayer> {
  let received = 0;
  const counted: ByteSource = {
    name: source.name,
    async read() {
      const chunk = await source.read();
      received += chunk?.length ?? 0;
      return chunk;
    },
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
  using unpacked = await plainTar(counted);
  const plain = source.between?.(unpacked) ?? unpacked;
  const hash = createHash("sha256");
  const reader = new LayerReader(source.name, onEntry);
  let size = 0;
  for (let chunk = await plain.read(); chunk !== undefined; chunk = await plain.read()) {
    size += chunk.length;
    if (size > LARGE && size > received * MAX_RATIO) {
      throw new ArchiveError(
        `${source.name}: grows to over ${MAX_RATIO} times its size, as no real layer does`,
      );
    }
    hash.update(chunk);
    reader.push(chunk);
    await onBytes(chunk);
  }
  // Whoever checks the transported bytes knows only at their end whether they are right.
  if (await counted.read() !== undefined) {
    throw new ArchiveError(`${source.name}: garbage after the end of its compression`);
  }
  return { entries: reader.finish(), diffId: `sha256:${hash.digest("hex")}`, size };
}

/** The uncompressed tar. What a media type says of the compression is often wrong, so the first bytes count. */
async function plainTar(source: ByteSource): Promise<ByteSource> {
  try {
    const head = await firstBytes(source, MAGIC.zstd.length);
    const whole = prependedSource(head, source);
    if (beginsWith(head, MAGIC.gzip)) {
      return (await import("../aci/compression/gzip.ts")).gunzipped(whole);
    }
    if (beginsWith(head, MAGIC.zstd) || beginsWith(head.subarray(1), SKIPPABLE)) {
      return await (await import("../aci/compression/zstd.ts")).unzstded(whole);
    }
    return whole;
  } catch (error) {
    source[Symbol.dispose]();
    throw error;
  }
}
