import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { concat } from "../../linux/bytes.ts";
import { archive, entry } from "../testing/archive_fixture.ts";
import { Chunker, MOST_CHUNK } from "./chunker.ts";

/** Chunks of bytes that come in steps. */
function cut(bytes: Uint8Array, step: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const chunker = new Chunker((chunk) => chunks.push(chunk.slice()));
  for (let at = 0; at < bytes.length; at += step) chunker.push(bytes.subarray(at, at + step));
  chunker.end();
  return chunks;
}

/** Bytes that nothing compresses and that are the same each time. */
function noise(size: number, seed: number): Uint8Array<ArrayBuffer> {
  const parts = [];
  for (let at = 0; at < size; at += 64) {
    parts.push(createHash("sha512").update(`${seed} ${at}`).digest());
  }
  return concat(...parts).slice(0, size);
}

const file = (number: number, size: number, seed = number) =>
  entry({ path: `rootfs/${number}` }, noise(size, seed));
/** 60 small files and a large one. */
const files = [
  ...Array.from({ length: 60 }, (_, i) => file(i, 100 + (i * 977) % 9000)),
  file(60, 900_000),
];
const tar = archive(...files);
const digests = (chunks: readonly Uint8Array[]) =>
  chunks.map((chunk) => createHash("sha256").update(chunk).digest("hex"));

Deno.test("chunks are all of the bytes, however these come, and none is too large", () => {
  const expected = digests(cut(tar, tar.length));
  for (const step of [1, 511, 4096, 100_000, 600_000]) {
    const chunks = cut(tar, step);
    assert.deepEqual(concat(...chunks), tar);
    assert.deepEqual(digests(chunks), expected, `${step} bytes at once`);
    assert.ok(chunks.every(({ length }) => length > 0 && length <= MOST_CHUNK));
  }
  assert.deepEqual(cut(new Uint8Array(), 1), []);
});

Deno.test("cuts are those of the format: an index that was published fits for ever", () => {
  const digest = createHash("sha256").update(digests(cut(tar, 4096)).join()).digest("hex");
  assert.equal(digest, "a4d3c3bb300625f0a134a71ab7b108b463fc1763d2438a3e22d244377ef136fd");
});

/** Bytes of the chunks of an archive that another one lacks. */
function added(older: Uint8Array, newer: Uint8Array): number {
  const known = new Set(digests(cut(older, 1 << 18)));
  return cut(newer, 1 << 18).filter((chunk) => !known.has(digests([chunk])[0] ?? ""))
    .reduce((sum, { length }) => sum + length, 0);
}

Deno.test("a file that changes, is added or grows costs little more than its own bytes", () => {
  const changed = archive(...files.with(30, file(30, 5000, 999)));
  assert.ok(added(tar, changed) < 16_000, `${added(tar, changed)} bytes for a file of 5,000`);
  const inserted = archive(...files.toSpliced(10, 0, file(1000, 3000)));
  assert.ok(added(tar, inserted) < 16_000, `${added(tar, inserted)} bytes for one of 3,000`);
  const large = noise(900_000, 60);
  const grown = concat(large.slice(0, 400_000), noise(777, 5), large.slice(400_000));
  const longer = archive(...files.with(60, entry({ path: "rootfs/60" }, grown)));
  assert.ok(added(tar, longer) < 150_000, `${added(tar, longer)} bytes for 777 in the middle`);
});
