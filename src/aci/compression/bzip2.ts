/** Bzip2: libbz2 where it is installed, else in JavaScript. */
import { type Libbz2, libbz2 } from "../../linux/compression_libraries.ts";
import { type ByteSource } from "../bytes/source.ts";
import { addressOf, decodedSource, type StreamDecoder } from "./stream_decoder.ts";

// bzlib.h
const BZ_OK = 0;
const BZ_STREAM_END = 4;
/** `bz_stream`: next_in 0, avail_in 8, next_out 24, avail_out 32, and what is not ours. */
const STREAM_SIZE = 80;

const REASONS: Readonly<Record<number, string>> = {
  [-3]: "not enough memory",
  [-4]: "its data are corrupt",
  [-5]: "it is no bzip2 stream, or garbage follows one",
};

/** Decompresses bzip2, of one stream or several. */
export async function bunzipped(source: ByteSource): Promise<ByteSource> {
  const library = libbz2();
  if (library !== undefined) return decodedSource(source, "bzip2", bzip2Decoder(library));
  return (await import("./portable_bzip2.ts")).bunzipped(source);
}

function bzip2Decoder(library: Libbz2): StreamDecoder {
  const stream = new Uint8Array(STREAM_SIZE);
  const view = new DataView(stream.buffer);
  const begin = () => {
    stream.fill(0);
    check(library.BZ2_bzDecompressInit(stream, 0, 0));
  };
  begin();
  let isComplete = false;
  return {
    step(input, output) {
      if (isComplete) {
        // More input after a stream: another stream.
        library.BZ2_bzDecompressEnd(stream);
        begin();
      }
      view.setBigUint64(0, addressOf(input), true);
      view.setUint32(8, input.length, true);
      view.setBigUint64(24, addressOf(output), true);
      view.setUint32(32, output.length, true);
      const result = library.BZ2_bzDecompress(stream);
      isComplete = result === BZ_STREAM_END;
      if (!isComplete) check(result);
      return {
        consumed: input.length - view.getUint32(8, true),
        produced: output.length - view.getUint32(32, true),
        isComplete,
      };
    },
    [Symbol.dispose]: () => void library.BZ2_bzDecompressEnd(stream),
  };
}

function check(result: number): void {
  if (result !== BZ_OK) throw new Error(REASONS[result] ?? `libbz2 says ${result}`);
}
