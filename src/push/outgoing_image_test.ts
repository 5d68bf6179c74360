import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { parseDigest } from "../oci/digest.ts";
import { layerStream, type OutgoingLayer } from "./outgoing_image.ts";

const layer = (chunks: OutgoingLayer["chunks"]): OutgoingLayer => ({
  diffId: parseDigest(`sha256:${"0".repeat(64)}`),
  size: 4,
  chunks,
  gzipType: "application/vnd.oci.image.layer.v1.tar+gzip",
});

Deno.test("layerStream() copies chunks, since the next one takes their place", async () => {
  const buffer = new Uint8Array(2);
  const stream = layerStream(layer(function* () {
    yield (buffer.set([1, 2]), buffer);
    yield (buffer.set([3, 4]), buffer);
  }));
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  deepStrictEqual(chunks, [Uint8Array.of(1, 2), Uint8Array.of(3, 4)]);
});

Deno.test("layerStream() reads nothing before it is asked, and closes what it has begun", async () => {
  const seen: string[] = [];
  const stream = layerStream(layer(function* () {
    try {
      seen.push("begun");
      while (true) yield new Uint8Array(1);
    } finally {
      seen.push("closed");
    }
  }));
  strictEqual(seen.length, 0);
  const reader = stream.getReader();
  strictEqual((await reader.read()).value?.length, 1);
  await reader.cancel();
  deepStrictEqual(seen, ["begun", "closed"]);
});
