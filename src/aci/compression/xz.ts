/** XZ: liblzma where it is installed, else the same code as WebAssembly. */
import { type Liblzma, liblzma } from "../../linux/compression_libraries.ts";
import { type ByteSource } from "../bytes/source.ts";
import { addressOf, decodedSource, type StreamDecoder } from "./stream_decoder.ts";

/** Memory that a decoder may take: enough for `xz -9`, whose dictionary has 64 MiB. */
const MEMORY_LIMIT = 80n << 20n;

// lzma/base.h
const LZMA_RUN = 0;
const LZMA_FINISH = 3;
const LZMA_OK = 0;
const LZMA_STREAM_END = 1;
const LZMA_BUF_ERROR = 10;
const LZMA_CONCATENATED = 0x08;
/** `lzma_stream`: next_in, avail_in, total_in, next_out, avail_out, total_out, and what is not ours. */
const STREAM_SIZE = 136;

const REASONS: Readonly<Record<number, string>> = {
  5: "not enough memory",
  6: `it needs more than ${MEMORY_LIMIT >> 20n} MiB of memory`,
  7: "it is no XZ stream, or garbage follows one",
  8: "it uses options that nobody supports",
  9: "its data are corrupt",
};

/** Decompresses XZ, of one stream or several. */
export async function unxzed(source: ByteSource): Promise<ByteSource> {
  const library = liblzma();
  if (library !== undefined) return decodedSource(source, "xz", lzmaDecoder(library));
  return (await import("./portable_xz.ts")).unxzed(source);
}

function lzmaDecoder(library: Liblzma): StreamDecoder {
  const stream = new Uint8Array(STREAM_SIZE);
  const view = new DataView(stream.buffer);
  check(library.lzma_stream_decoder(stream, MEMORY_LIMIT, LZMA_CONCATENATED));
  let isComplete = false;
  return {
    step(input, output, isLast) {
      view.setBigUint64(0, addressOf(input), true);
      view.setBigUint64(8, BigInt(input.length), true);
      view.setBigUint64(24, addressOf(output), true);
      view.setBigUint64(32, BigInt(output.length), true);
      // Several streams may follow each other, so the end shows only when told that no more comes.
      const result = library.lzma_code(stream, isLast ? LZMA_FINISH : LZMA_RUN);
      if (result === LZMA_STREAM_END) isComplete = true;
      else if (result !== LZMA_BUF_ERROR) check(result);
      return {
        consumed: input.length - Number(view.getBigUint64(8, true)),
        produced: output.length - Number(view.getBigUint64(32, true)),
        isComplete,
      };
    },
    [Symbol.dispose]: () => library.lzma_end(stream),
  };
}

function check(result: number): void {
  if (result !== LZMA_OK) throw new Error(REASONS[result] ?? `liblzma says ${result}`);
}
