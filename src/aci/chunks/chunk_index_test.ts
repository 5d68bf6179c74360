import assert from "node:assert/strict";
import { type ChunkIndex, chunkIndexBytes, parseChunkIndex } from "./chunk_index.ts";

const index: ChunkIndex = {
  imageId: `sha512-${"ab".repeat(64)}`,
  name: "example.com/app",
  size: 70_000,
  piecesSize: 1300,
  chunks: [
    { size: 65_536, at: 0, compressed: 300, digest: "01".repeat(16) },
    { size: 4464, at: 300, compressed: 1000, digest: "02".repeat(16) },
  ],
};

Deno.test("parseChunkIndex() reads what chunkIndexBytes() writes", () => {
  assert.deepEqual(parseChunkIndex(chunkIndexBytes(index), "x"), index);
});

const text = (line: string) => new TextEncoder().encode(line);
const [one, two] = index.chunks;
const line = (fields: Record<string, unknown>) => {
  const { imageId: imageID, name, size, piecesSize } = index;
  const format = "rkt-chunks-1";
  return text(`${JSON.stringify({ format, imageID, name, size, piecesSize, ...fields })}\n`);
};

for (
  const [what, bytes, why] of [
    ["nothing", text(""), /no first line/],
    ["a line that never ends", new Uint8Array(100_000).fill(0x20), /no first line/],
    ["no JSON", text("hello\n"), /first line/],
    ["JSON that is no object", text("[]\n"), /first line/],
    ["another format", line({ format: "rkt-chunks-2" }), /first line/],
    ["an ID of another kind", line({ imageID: "sha256-00" }), /first line/],
    ["a size that is none", line({ size: 1e300 }), /first line/],
    ["a size that is negative", line({ piecesSize: -1 }), /first line/],
    ["no chunks for its size", line({}), /not those of the whole image/],
    ["half a record", chunkIndexBytes(index).slice(0, -1), /cut short/],
    [
      "a chunk too few",
      chunkIndexBytes({ ...index, chunks: index.chunks.slice(1) }),
      /not those of the whole/,
    ],
    [
      "an empty chunk",
      chunkIndexBytes({ ...index, chunks: [{ ...one, size: 0 }, two] as ChunkIndex["chunks"] }),
      /chunk 0 has 0 bytes/,
    ],
    [
      "a chunk that is too large",
      chunkIndexBytes({
        ...index,
        chunks: [{ ...one, size: 1 << 23 }, two] as ChunkIndex["chunks"],
      }),
      /chunk 0 has 8388608 bytes/,
    ],
    [
      "a chunk that takes no bytes",
      chunkIndexBytes({
        ...index,
        chunks: [one, { ...two, compressed: 0 }] as ChunkIndex["chunks"],
      }),
      /chunk 1 has 4464 bytes, and 0 compressed/,
    ],
  ] as const
) {
  Deno.test(`parseChunkIndex() refuses ${what}`, () => {
    assert.throws(() => parseChunkIndex(bytes, "x"), { message: why });
  });
}
