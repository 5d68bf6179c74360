import assert from "node:assert/strict";
import { concat } from "../../linux/bytes.ts";
import { bytesSource } from "../bytes/source.ts";
import { image, manifest } from "../testing/archive_fixture.ts";
import { decompressed } from "./compression.ts";
import { fillingFor, followedBy, padmeSize } from "./padded.ts";

Deno.test("padmeSize() is that of the paper: at most 12 % more, few different ones", () => {
  assert.deepEqual([0, 1, 2, 9, 100, 1000, 1025, 150_000_000].map(padmeSize), [
    ...[0, 1, 2, 10, 104, 1024, 1088, 150_994_944],
  ]);
  const sizes = new Set<number>();
  for (let size = 200; size < 1_000_000; size += 17) {
    const padded = padmeSize(size);
    assert.ok(padded >= size && padded <= size * 1.12, `${size}: ${padded}`);
    assert.equal(padmeSize(padded), padded);
    sizes.add(padded);
  }
  assert.ok(sizes.size < 300, `${sizes.size}`);
});

/** What a program makes of bytes. */
async function by(program: string, bytes: Uint8Array<ArrayBuffer>, ...args: string[]) {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  const { success, stdout } = await child.output();
  assert.ok(success, program);
  return stdout;
}

for (const program of ["gzip", "zstd", "xz"]) {
  Deno.test(`what ${program} has packed has one of Padmé's sizes, and unpacks to the same, also by ${program}`, async () => {
    const tar = image(manifest());
    const packed = await by(program, tar, "-c");
    for (let more = 0; more < 200; more += program === "xz" ? 4 : 7) {
      // Different sizes in a form that each of them allows: filling behind filling.
      const long = concat(
        packed,
        program === "gzip" && more > 21 ? gzipOf(more) : new Uint8Array(),
      );
      const filling = fillingFor(long, long.length) ?? assert.fail("nothing can stand behind it");
      const padded = concat(long, filling);
      assert.equal(padmeSize(padded.length), padded.length);
      assert.deepEqual(await unpacked(padded), tar);
    }
    const filling = fillingFor(packed, packed.length) ?? assert.fail();
    assert.deepEqual(await by(program, concat(packed, filling), "-dc"), tar);
    const large = fillingFor(packed, 5_000_001 + (program === "xz" ? 3 : 0)) ?? assert.fail();
    assert.ok(large.length > 65_536 + 22, `${large.length}`);
    assert.deepEqual(await by(program, concat(packed, large), "-dc"), tar);
    assert.deepEqual(await unpacked(concat(packed, large)), tar);
  });
}

/** A member of gzip of nothing with so many bytes. */
function gzipOf(size: number): Uint8Array {
  const member = new Uint8Array(size);
  member.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, size - 22, 0]);
  member.set([3, 0], size - 10);
  return member;
}

async function unpacked(bytes: Uint8Array): Promise<Uint8Array> {
  using source = await decompressed(
    followedBy(bytesSource("it", bytes.slice(0, 100)), bytes.slice(100)),
  );
  const parts = [];
  for (let part = await source.read(); part !== undefined; part = await source.read()) {
    parts.push(part.slice());
  }
  return concat(...parts);
}

Deno.test("behind a tar and what bzip2 has packed nothing can stand", () => {
  assert.equal(fillingFor(image(manifest()), 10_240), undefined);
  assert.equal(fillingFor(new TextEncoder().encode("BZh9"), 100), undefined);
});
