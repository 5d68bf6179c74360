import assert from "node:assert/strict";
import { joined } from "../testing/archive_fixture.ts";
import type { TarEntry } from "./entry.ts";
import { sparseHeader } from "./sparse_writer.ts";
import { padding } from "./tar_field.ts";
import { ARCHIVE_END } from "./tar_writer.ts";

const SIZE = 3 << 20;

const file = (path: string): TarEntry => ({
  ...{ kind: "file", path, link: "", mode: 0o644, uid: 0, gid: 0, size: SIZE },
  ...{ mtime: 1000, mtimeNs: 0, major: 0, minor: 0, xattrs: new Map(), sparse: true },
  ...{ offset: 0, dataOffset: 0 },
});

/** What GNU tar extracts of a sparse file with these pieces, each filled with the letter of its place. */
function extracted(path: string, pieces: readonly number[]): Uint8Array {
  const { bytes, data } = sparseHeader(file(path), pieces);
  const lengths = pieces.filter((_, i) => i % 2 === 1);
  assert.equal(data, lengths.reduce((sum, length) => sum + length, 0));
  const content = lengths.map((length, i) => new Uint8Array(length).fill(97 + i));
  const directory = Deno.makeTempDirSync({ prefix: "rkt-sparse-" });
  try {
    const parts = [bytes, ...content, new Uint8Array(padding(data)), ARCHIVE_END];
    Deno.writeFileSync(`${directory}/a.tar`, joined(...parts));
    const { success, stderr } = new Deno.Command("tar", {
      args: ["-C", directory, "-xf", `${directory}/a.tar`],
    }).outputSync();
    assert.ok(success, new TextDecoder().decode(stderr));
    return Deno.readFileSync(`${directory}/${path}`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

// Pieces of whole blocks, but for the last one, as file systems have them: GNU tar reads no others.
for (
  const [what, pieces] of [
    ["holes before and behind its data", [4096, 1024, 1 << 20, 5000]],
    ["data up to the end", [0, 512, SIZE - 7, 7]],
    ["nothing but a hole", []],
  ] as const
) {
  Deno.test(`GNU tar reads a sparse file with ${what}`, () => {
    const expected = new Uint8Array(SIZE);
    for (let i = 0; i < pieces.length; i += 2) {
      const [at = 0, length = 0] = pieces.slice(i, i + 2);
      expected.fill(97 + i / 2, at, at + length);
    }
    const got = extracted("file", pieces);
    assert.equal(got.length, SIZE);
    assert.ok(got.every((byte, i) => byte === expected[i]));
  });
}

Deno.test("GNU tar reads a sparse file of a long name", () => {
  const name = "n".repeat(200);
  assert.equal(extracted(name, [0, 3]).length, SIZE);
});
