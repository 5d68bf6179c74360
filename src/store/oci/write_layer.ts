/** Writing a layer to a file of the store, in one pass from where it comes from. */
import type { ByteSource } from "../../aci/bytes/source.ts";
import { type ReadLayer, readLayer } from "../../layers/read_layer.ts";

/** How to write one. */
export interface WriteLayerOptions {
  /** Whether in the form of `src/layers/compressed`; else as a tar. */
  readonly compress: boolean;
  /** Told how many bytes of the tar come, before they are written. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Reads a layer to its end, and writes it to a new file, which is on the disk then.
 *
 * @throws what `onBytes` throws, too
 */
export async function writeLayer(
  source: ByteSource,
  path: string,
  { compress, onBytes }: WriteLayerOptions,
): Promise<ReadLayer> {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o640 });
  const write = (chunk: Uint8Array) => {
    for (let at = 0; at < chunk.length;) at += file.writeSync(chunk.subarray(at));
  };
  await using compressor = compress ? await layerCompressor(write) : undefined;
  const read = await readLayer(
    source,
    (chunk) => {
      onBytes(chunk.length);
      if (compressor === undefined) write(chunk);
      else return compressor.push(chunk);
    },
    (entry) => compressor?.entry(entry),
  );
  await compressor?.finish();
  // Other layers come meanwhile.
  await file.syncData();
  return read;
}

async function layerCompressor(write: (bytes: Uint8Array) => void) {
  const { LayerCompressor } = await import("../../layers/compressed/compress_layer.ts");
  return new LayerCompressor(write);
}
