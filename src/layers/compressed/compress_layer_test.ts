import assert from "node:assert/strict";
import zlib from "node:zlib";
import { bytesSource } from "../../aci/bytes/source.ts";
import { ArchiveError } from "../../aci/bytes/archive_error.ts";
import { directory, entry, joined } from "../../aci/testing/archive_fixture.ts";
import { ARCHIVE_END } from "../../aci/tar/tar_writer.ts";
import { concat } from "../../linux/bytes.ts";
import { readLayer } from "../read_layer.ts";
import { StoredLayer } from "../stored_layer.ts";
import { libzstdCompressor } from "../../linux/compression_libraries.ts";
import { LayerCompressor } from "./compress_layer.ts";
import { BLOCK, KIND } from "./format.ts";
import { pieceSlots } from "./piece_slots.ts";

/** Bytes of text, which can be compressed. */
const text = (size: number) => Uint8Array.from({ length: size }, (_, i) => 97 + (i * i >>> 7) % 20);
const noise = (size: number) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
};

const LIBRARY = libzstdCompressor();

async function compressed(
  tar: Uint8Array,
  chunk: number,
  slots = pieceSlots(LIBRARY),
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  await using compressor = new LayerCompressor(
    (bytes) => parts.push(bytes.slice()),
    slots,
  );
  await readLayer(
    bytesSource("layer", tar, chunk),
    async (bytes) => {
      // As a decompressor does, which takes its chunk back.
      const own = bytes.slice();
      await compressor.push(own);
      structuredClone(own, { transfer: [own.buffer] });
    },
    (each) => compressor.entry(each),
  );
  await compressor.finish();
  return concat(...parts);
}

/** A layer in a file, for as long as it is used. */
function inFile<T>(bytes: Uint8Array, use: (layer: StoredLayer) => T): T {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, bytes);
    using layer = new StoredLayer({ path, isCompressed: true });
    return use(layer);
  } finally {
    Deno.removeSync(path);
  }
}

/** assertSame() takes minutes for megabytes. */
function assertSame(actual: Uint8Array, expected: Uint8Array, what = ""): void {
  const different = expected.findIndex((byte, i) => byte !== actual[i]);
  assert.equal(different, -1, `${what}: byte ${different}`);
  assert.equal(actual.length, expected.length, what);
}

const whole = (layer: StoredLayer) =>
  concat(...Array.from(layer.chunks(), (chunk) => chunk.slice()));

const SIZES = [0, 1, 511, 512, 4096, 4097, 8192, 65_536, 69_632, 69_633, 131_072, 300_001];
const files = SIZES.flatMap((size) => [
  entry({ path: `text-${size}` }, text(size)),
  entry({ path: `noise-${size}` }, noise(size)),
  entry({ path: `both-${size}` }, joined(noise(size >> 1), text(size - (size >> 1)))),
]);
const many = Array.from({ length: 2000 }, (_, i) => directory(`directory-${i}/`));
const tar = joined(...many, ...files, ARCHIVE_END);

Deno.test("a layer is compressed in the same form with libzstd and without", async () => {
  assert(LIBRARY !== undefined, "libzstd is not installed");
  const [a, b] = [
    await compressed(tar, 10_000),
    await compressed(tar, 10_000, pieceSlots(undefined)),
  ];
  inFile(a, (one) =>
    inFile(b, (other) => {
      const kinds = ({ map }: StoredLayer) =>
        Array.from({ length: map?.count ?? 0 }, (_, i) => [map?.kind(i), map?.isCompressed(i)]);
      assert.deepEqual(kinds(one), kinds(other));
      assertSame(whole(other), tar);
    }));
});

for (const chunk of [700, 65_536, 1 << 22]) {
  Deno.test(`a compressed layer gives its tar again, in chunks of ${chunk} bytes`, async () => {
    const stored = await compressed(tar, chunk);
    assert(stored.length < tar.length, `${stored.length} of ${tar.length} bytes`);
    assert.equal(stored.length % 512, 0);
    inFile(stored, (layer) => {
      assert.equal(layer.size, tar.length);
      assertSame(whole(layer), tar);
    });
  });
}

Deno.test("any bytes of a compressed layer can be read", async () => {
  const stored = await compressed(tar, 10_000);
  inFile(stored, (layer) => {
    const into = new Uint8Array(5000);
    for (let i = 0; i < 500; i++) {
      const offset = Math.floor(Math.random() * tar.length);
      const n = layer.read(offset, into);
      assert(n > 0);
      assertSame(into.subarray(0, n), tar.subarray(offset, offset + n), `at ${offset}`);
    }
    assert.equal(layer.read(tar.length, into), 0);
  });
});

Deno.test("a layer without files, and one that ends without padding, are whole", async () => {
  for (const each of [ARCHIVE_END, joined(entry({ path: "a" }, text(9000))).subarray(0, 9512)]) {
    inFile(await compressed(each, 512), (layer) => assertSame(whole(layer), each));
  }
});

Deno.test("a piece of a file that unpacks to less than the table says is refused", async () => {
  const stored = await compressed(joined(entry({ path: "a" }, text(9000)), ARCHIVE_END), 4096);
  const [from, blocks] = inFile(stored, ({ map }) => {
    const piece = Array.from({ length: map?.count ?? 0 }, (_, i) => i)
      .find((i) => map?.kind(i) !== KIND.between && map?.isCompressed(i));
    assert(map !== undefined && piece !== undefined);
    return [map.block(piece) * BLOCK, map.blocks(piece) * BLOCK];
  });
  const short = zlib.zstdCompressSync(text(5000));
  stored.fill(0, from, from + blocks).set(short, from + blocks - short.length);
  assert.throws(() => inFile(stored, whole), { message: /a piece of a file is too short/ });
});

Deno.test("a compressed layer that is damaged is refused, or is another tar; nothing else", async () => {
  const stored = await compressed(tar, 65_536);
  let refused = 0;
  for (let i = 0; i < 200; i++) {
    const damaged = stored.slice();
    // The half of them in the trailer, whose fields take 48 bytes.
    const at = i < 100 ? Math.floor(Math.random() * stored.length) : stored.length - 512 + i % 48;
    damaged[at] = (damaged[at] ?? 0) ^ 1 << (i % 8);
    try {
      inFile(damaged, whole);
    } catch (error) {
      assert(error instanceof ArchiveError, `byte ${at}: ${error}`);
      refused++;
    }
  }
  assert(refused >= 50, `${refused} of 200`);
  for (const size of [0, 1, 512, stored.length - 512, stored.length - 1]) {
    assert.throws(() => inFile(stored.subarray(0, size), whole), ArchiveError, `${size} bytes`);
  }
});
