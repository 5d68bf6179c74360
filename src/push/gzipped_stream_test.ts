import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { gzippedStream } from "./gzipped_stream.ts";

/** A stream of pieces; it fails behind the last one where there is an error. */
function streamOf(
  pieces: readonly Uint8Array<ArrayBuffer>[],
  error?: Error,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const left = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const next = left.shift();
      if (next !== undefined) controller.enqueue(next);
      else if (error === undefined) controller.close();
      else controller.error(error);
    },
  });
}

const compressed = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) =>
  new Response(gzippedStream(stream)).bytes();

Deno.test("gzippedStream() makes the same bytes of the same bytes, and gzip reads them", async () => {
  const text = new TextEncoder().encode("the same line\n".repeat(50_000));
  const first = await compressed(streamOf([text]));
  assert.deepEqual(new Uint8Array(gunzipSync(first)), text);
  assert.deepEqual(await compressed(streamOf([text])), first);
  assert.ok(first.length < text.length / 50);
});

Deno.test("gzippedStream() compresses nothing to an empty member", async () => {
  assert.equal(gunzipSync(await compressed(streamOf([]))).length, 0);
});

Deno.test("gzippedStream() fails with the error of what it compresses", async () => {
  const error = new Error("the layer can't be read");
  await assert.rejects(() => compressed(streamOf([new Uint8Array(100)], error)), /can't be read/);
});

Deno.test("gzippedStream() that nobody reads to its end leaves nothing that waits", async () => {
  const stream = gzippedStream(
    streamOf(Array.from({ length: 100 }, () => new Uint8Array(1 << 16))),
  );
  const reader = stream.getReader();
  assert.equal((await reader.read()).done, false);
  await reader.cancel();
});
