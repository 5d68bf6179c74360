import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { ArchiveError } from "../bytes/archive_error.ts";
import {
  directory,
  entry,
  flip,
  image,
  joined,
  MANIFEST_TEXT,
} from "../testing/archive_fixture.ts";
import { readAci } from "../aci_reader.ts";
import { decompressed } from "./compression.ts";
import { bunzipped as portableBzip2 } from "./portable_bzip2.ts";
import { unxzed as portableXz } from "./portable_xz.ts";
import { unzstded as portableZstd } from "./portable_zstd.ts";
import { type ByteSource, bytesSource } from "../bytes/source.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Compresses with a program of the system, or with node:zlib. */
async function compress(program: string, bytes: Bytes): Promise<Bytes> {
  if (program === "gzip") return new Uint8Array(gzipSync(bytes));
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, bytes);
    const { success, stdout } = await new Deno.Command(program, { args: ["-c", file] }).output();
    assert(success, program);
    return new Uint8Array(stdout);
  } finally {
    await Deno.remove(file);
  }
}

type Open = (source: ByteSource) => ByteSource | Promise<ByteSource>;

async function readAll(source: ByteSource, open: Open = decompressed): Promise<Bytes> {
  using plain = await open(source);
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = await plain.read();
    if (chunk === undefined) return joined(...chunks);
    chunks.push(chunk.slice());
  }
}

// Some of it compresses well, some does not; the whole is larger than one chunk.
const noise = crypto.getRandomValues(new Uint8Array(60_000));
const IMAGE = image(
  directory("rootfs"),
  entry({ path: "rootfs/noise" }, noise),
  entry({ path: "rootfs/zeros" }, new Uint8Array(900_000)),
).slice();

const PROGRAMS = ["gzip", "bzip2", "xz", "zstd"];

for (const program of PROGRAMS) {
  Deno.test(`decompressed() undoes ${program}, in chunks of any size, streams joined`, async () => {
    const packed = await compress(program, IMAGE);
    for (const size of [1 << 18, 5000, 7]) {
      const source = bytesSource("t", packed, size);
      assert.deepEqual(await readAll(source), IMAGE);
    }
    const [one, two] = [IMAGE.slice(0, 300_000), IMAGE.slice(300_000)];
    const both = joined(await compress(program, one), await compress(program, two));
    assert.deepEqual(await readAll(bytesSource("t", both, 1000)), IMAGE);
  });

  Deno.test(`decompressed() refuses ${program} that is cut, damaged or followed by garbage`, async () => {
    const packed = await compress(program, IMAGE);
    const damaged = packed.slice();
    flip(damaged, packed.length >> 1, 0x10);
    const cases = [
      damaged,
      joined(packed, new TextEncoder().encode("garbage")),
      joined(packed, packed.slice(0, 40)),
      joined(packed, new Uint8Array(700_000), new TextEncoder().encode("garbage")),
      ...[8, 20, packed.length >> 1, packed.length - 9, packed.length - 4, packed.length - 1]
        .map((length) => packed.slice(0, length)),
    ];
    for (const [i, bytes] of cases.entries()) {
      for (const size of [1 << 18, 999]) {
        await assert.rejects(readAll(bytesSource("name.aci", bytes, size)), (error: unknown) => {
          assert(error instanceof ArchiveError, `case ${i}: ${error}`);
          assert.match(error.message, /^name\.aci: .*compression/);
          return true;
        });
      }
    }
  });
}

const PORTABLE: readonly (readonly [string, Open])[] = [
  ["bzip2", portableBzip2],
  ["xz", portableXz],
  ["zstd", portableZstd],
];

for (const [program, open] of PORTABLE) {
  Deno.test(`${program} is undone without the system's library too`, async () => {
    const packed = await compress(program, IMAGE);
    for (const size of [1 << 18, 5000, 7]) {
      assert.deepEqual(await readAll(bytesSource("t", packed, size), open), IMAGE);
    }
  });

  Deno.test(`${program} without the library insists on the end of its stream`, async () => {
    const packed = await compress(program, IMAGE);
    const cases = [
      joined(packed, new TextEncoder().encode("garbage")),
      joined(packed, new Uint8Array([1])),
      ...[8, 20, packed.length >> 1, packed.length - 9, packed.length - 4, packed.length - 1]
        .map((length) => packed.slice(0, length)),
    ];
    for (const [i, bytes] of cases.entries()) {
      for (const size of [1 << 18, 999]) {
        const source = bytesSource("name.aci", bytes, size);
        await assert.rejects(readAll(source, open), /^ArchiveError: name.aci: /, `case ${i}`);
      }
    }
  });
}

Deno.test("readAci() gives one image ID for all compressions", async () => {
  const bytes = image(entry({ path: "rootfs/f" }, "x"));
  const expected = await readAci(bytesSource("t", bytes));
  assert.equal(expected.manifestText, MANIFEST_TEXT);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", bytes));
  assert.equal(expected.imageId, `sha512-${digest.toHex()}`);
  for (const program of PROGRAMS) {
    const packed = await compress(program, bytes);
    assert.deepEqual(await readAci(bytesSource("t", packed)), expected);
  }
});

Deno.test("decompressed() refuses xz that needs too much memory", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "x");
  const args = ["-c", "--lzma2=preset=0,dict=512MiB", file];
  const { stdout } = await new Deno.Command("xz", { args }).output();
  await Deno.remove(file);
  await assert.rejects(readAll(bytesSource("t", stdout)), /needs more than 80 MiB of memory/);
});
