/** A stream compressed by gzip: the same bytes always become the same bytes. */
import { createGzip } from "node:zlib";

/** zlib's default is 6; 4 costs half of the time and some percent of the size. */
const LEVEL = 6;

const CHUNK = 1 << 16;

/** Compresses a stream. */
export function gzippedStream(
  plain: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const gzip = createGzip({ level: LEVEL, chunkSize: CHUNK });
  let failed: unknown;
  gzip.on("error", (error) => failed ??= error);
  const feed = async () => {
    for await (const chunk of plain) {
      const error = await new Promise<unknown>((done) => gzip.write(chunk, done));
      if (error || gzip.destroyed) return;
    }
    gzip.end();
  };
  let chunks: AsyncIterator<Uint8Array> | undefined;
  return new ReadableStream({
    async pull(controller) {
      if (chunks === undefined) {
        chunks = gzip[Symbol.asyncIterator]();
        feed().catch((error) => {
          failed = error;
          gzip.destroy(error instanceof Error ? error : new Error(String(error)));
        });
      }
      try {
        const { value, done } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value));
      } catch (error) {
        throw failed ?? error;
      }
    },
    cancel: () => void gzip.destroy(),
  }, { highWaterMark: 0 });
}
