/** XZ by xz-decompress (XZ Embedded as WebAssembly), for systems without liblzma. One stream only. */
import * as xzDecompress from "xz-decompress";
import { damaged } from "./portable.ts";
import { type ByteSource, streamSource } from "../bytes/source.ts";

/** The package is CommonJS: Deno puts what it exports under `default`, the bundler beside it. */
const { XzReadableStream } = "default" in xzDecompress
  ? xzDecompress.default as typeof xzDecompress
  : xzDecompress;

/** Decompresses one XZ stream. */
export function unxzed(source: ByteSource): ByteSource {
  let isPulledWhole = false;
  let last: Uint8Array | undefined;
  const input = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (isPulledWhole) {
        // It may still have output to give. If not, the decoder fails for want of progress.
        controller.close();
        return;
      }
      const chunk = await source.read();
      if (chunk === undefined) {
        isPulledWhole = true;
        controller.enqueue(last ?? new Uint8Array(0));
        return;
      }
      // The last byte goes alone: if nobody asks for it, the stream has ended before.
      const bytes = new Uint8Array((last?.length ?? 0) + chunk.length);
      if (last !== undefined) bytes.set(last);
      bytes.set(chunk, last?.length ?? 0);
      last = bytes.subarray(-1);
      controller.enqueue(bytes.subarray(0, -1));
    },
  }, { highWaterMark: 0 });
  const output = streamSource(source.name, new XzReadableStream(input));
  return {
    name: source.name,
    async read() {
      let chunk: Uint8Array | undefined;
      try {
        chunk = await output.read();
      } catch (error) {
        throw damaged(source.name, "xz", error);
      }
      if (chunk === undefined && !isPulledWhole) {
        throw damaged(source.name, "xz", "garbage, or another stream, behind it");
      }
      return chunk;
    },
    [Symbol.dispose]() {
      output[Symbol.dispose]();
      source[Symbol.dispose]();
    },
  };
}
