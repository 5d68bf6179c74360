import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { Chunker } from "../../aci/chunks/chunker.ts";
import { type Chunk, chunkDigester, type ChunkIndex } from "../../aci/chunks/chunk_index.ts";
import { concat } from "../../linux/bytes.ts";
import { Failure } from "../../failure.ts";
import type { GetRange } from "../mirrors/ranges.ts";
import { BaseChunks } from "./base_chunks.ts";
import { DeltaSource } from "./delta_source.ts";

const digestOf = await chunkDigester();
const bytesOf = (size: number, seed: number) =>
  Uint8Array.from({ length: size }, (_, i) => Math.imul(i + seed * 7919, 2654435761) >>> 13);

/** An image of twelve chunks, whose index and pieces a server has. */
function published(chunks = Array.from({ length: 12 }, (_, i) => bytesOf(20_000 + i, i))) {
  const pieces = chunks.map((chunk) => new Uint8Array(deflateRawSync(chunk)));
  let at = 0;
  const records = chunks.map((chunk, i): Chunk => {
    const compressed = pieces[i]?.length ?? 0;
    at += compressed;
    return { size: chunk.length, at: at - compressed, compressed, digest: digestOf(chunk) };
  });
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const index: ChunkIndex = {
    ...{ imageId: "sha512-00", name: "example.com/app", size, piecesSize: at, chunks: records },
  };
  return { index, pieces: concat(...pieces), image: concat(...chunks) };
}

/** The server's bytes, and which ranges were asked for. */
function server(content: Uint8Array, manner: (bytes: Uint8Array) => Uint8Array = (b) => b) {
  const asked: [number, number][] = [];
  const getRange: GetRange = (_url, first, last) => {
    asked.push([first, last]);
    let rest: Uint8Array | undefined = manner(content.slice(first, last + 1));
    return Promise.resolve({
      read() {
        const bytes = rest;
        rest = undefined;
        return Promise.resolve(bytes);
      },
      cancel: () => {},
    });
  };
  return { asked, getRange };
}

/** A base whose archive is these bytes; `act` may change the file. */
async function withBase(
  archive: Uint8Array,
  { chunks }: ChunkIndex,
  act: (base: BaseChunks, path: string) => Promise<void>,
): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/blob`;
    Deno.writeFileSync(path, archive);
    const wanted = new Set(chunks.map(({ digest }) => digest));
    using base = await BaseChunks.of([`${directory}/gone`, path], wanted);
    await act(base, path);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Bytes as they are cut. */
function cut(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const chunker = new Chunker((chunk) => chunks.push(chunk.slice()));
  chunker.push(bytes);
  chunker.end();
  return chunks;
}

const source = (index: ChunkIndex, base: BaseChunks, getRange: GetRange) =>
  new DeltaSource(index, {
    ...{ name: "x.aci", pieces: "x.aci.pieces", base, digestOf, getRange, progress: () => {} },
  });

async function all(from: DeltaSource): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let part = await from.read(); part !== undefined; part = await from.read()) {
    parts.push(part.slice());
  }
  return concat(...parts);
}

const NOTHING = await BaseChunks.of([], new Set());

Deno.test("without a base all of an image comes by ranges, neighbours in one", async () => {
  const { index, pieces, image } = published();
  const { asked, getRange } = server(pieces);
  using from = source(index, NOTHING, getRange);
  assert.equal(from.wanted, pieces.length);
  assert.deepEqual(await all(from), image);
  assert.deepEqual(asked, [[0, pieces.length - 1]]);
});

Deno.test("what the store has is not fetched; what was damaged there since is", async () => {
  const older = bytesOf(500_000, 1);
  const newer = older.slice();
  newer.set(bytesOf(1000, 2), 250_000);
  const it = published(cut(newer));
  await withBase(older, it.index, async (base, path) => {
    const first = server(it.pieces);
    using from = source(it.index, base, first.getRange);
    assert.deepEqual(await all(from), newer);
    assert.ok(from.wanted < it.pieces.length / 2, `${from.wanted} of ${it.pieces.length}`);
    assert.ok(from.wanted >= 1000);
    Deno.writeFileSync(path, older.with(10, (older[10] ?? 0) ^ 1));
    const second = server(it.pieces);
    using again = source(it.index, base, second.getRange);
    assert.deepEqual(await all(again), newer);
    assert.equal(second.asked.length, first.asked.length + 1);
    Deno.truncateSync(path, 100);
    const third = server(it.pieces);
    using short = source(it.index, base, third.getRange);
    assert.deepEqual(await all(short), newer);
  });
});

for (
  const [what, manner, why] of [
    [
      "lies",
      (b: Uint8Array) => b.with(b.length >> 1, (b[b.length >> 1] ?? 0) ^ 1),
      /x\.aci\.pieces: what it has at byte \d+/,
    ],
    ["sends too much", (b: Uint8Array) => concat(b, b), /sends more than the range/],
    ["sends too little", (b: Uint8Array) => b.slice(1), /sent \d+ of \d+ bytes/],
    ["sends another chunk", (b: Uint8Array) => b.toReversed(), /x\.aci\.pieces: what it has at/],
  ] as const
) {
  Deno.test(`a server that ${what} is found at its chunk`, async () => {
    const { index, pieces } = published();
    const { getRange } = server(pieces, manner);
    using from = source(index, NOTHING, getRange);
    await assert.rejects(all(from), { message: why });
  });
}

Deno.test("a chunk of the right size that unpacks well and is another one is found", async () => {
  const [asked, other] = [bytesOf(20_000, 1), bytesOf(20_000, 2)].map((chunk) =>
    published([chunk])
  );
  const [chunk, sent] = [asked?.index.chunks[0], other?.index.chunks[0]];
  assert.ok(asked && other && chunk && sent);
  const chunks = [{ ...sent, digest: chunk.digest }];
  const index = { ...asked.index, chunks, piecesSize: other.pieces.length };
  using from = source(index, NOTHING, server(other.pieces).getRange);
  await assert.rejects(all(from), { message: /x\.aci\.pieces: what it has at byte 0/ });
});

Deno.test("chunks that are nothing but zeros unpack to so many bytes and no more", async () => {
  const zeros = Array.from({ length: 2000 }, () => new Uint8Array(65_536));
  const { index, pieces } = published(zeros);
  const { getRange } = server(pieces);
  using from = source(index, NOTHING, getRange);
  await assert.rejects(all(from), { message: /unpack to more than an image should/ });
});

Deno.test("a connection that breaks is tried again, and given up in the end", async () => {
  const { index, pieces, image } = published();
  for (const failures of [2, 10]) {
    let left = failures;
    const { getRange } = server(pieces);
    const breaking: GetRange = (...words) =>
      left-- > 0 ? Promise.reject(new Failure("reset")) : getRange(...words);
    using from = source(index, NOTHING, breaking);
    if (failures === 2) assert.deepEqual(await all(from), image);
    else await assert.rejects(all(from), { message: "reset" });
  }
});
