/** Zstandard (RFC 8878): libzstd where it is installed, else in JavaScript. */
import { type Libzstd, libzstd } from "../../linux/compression_libraries.ts";
import { type ByteSource } from "../bytes/source.ts";
import { addressOf, decodedSource, type StreamDecoder } from "./stream_decoder.ts";

/** Decompresses Zstandard, of one frame or several. Windows above 128 MiB are refused, libzstd's default. */
export async function unzstded(source: ByteSource): Promise<ByteSource> {
  const library = libzstd();
  if (library !== undefined) return decodedSource(source, "zstd", zstdDecoder(library));
  return (await import("./portable_zstd.ts")).unzstded(source);
}

function zstdDecoder(library: Libzstd): StreamDecoder {
  const context = library.ZSTD_createDCtx();
  // ZSTD_inBuffer and ZSTD_outBuffer: address, size, position
  const [into, from] = [new Uint8Array(24), new Uint8Array(24)];
  const [intoView, fromView] = [new DataView(into.buffer), new DataView(from.buffer)];
  let isComplete = false;
  return {
    step(input, output) {
      fromView.setBigUint64(0, addressOf(input), true);
      fromView.setBigUint64(8, BigInt(input.length), true);
      fromView.setBigUint64(16, 0n, true);
      intoView.setBigUint64(0, addressOf(output), true);
      intoView.setBigUint64(8, BigInt(output.length), true);
      intoView.setBigUint64(16, 0n, true);
      const hint = library.ZSTD_decompressStream(context, into, from);
      if (library.ZSTD_isError(hint) !== 0) throw new Error(errorName(library, hint));
      // 0: a frame is complete and all of its output given.
      isComplete = hint === 0n;
      return {
        consumed: Number(fromView.getBigUint64(16, true)),
        produced: Number(intoView.getBigUint64(16, true)),
        isComplete,
      };
    },
    [Symbol.dispose]: () => void library.ZSTD_freeDCtx(context),
  };
}

function errorName(library: Libzstd, result: bigint): string {
  const name = library.ZSTD_getErrorName(result);
  return name === null ? "unknown error" : Deno.UnsafePointerView.getCString(name);
}
