/** Archives as other people's tar makes them. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { readAci } from "./aci_reader.ts";
import { bytesSource } from "./bytes/source.ts";
import { joined, MANIFEST_TEXT } from "./testing/archive_fixture.ts";

/** Archives of an image in a directory, by what is special about them. */
function archives(dir: string): [string, Uint8Array<ArrayBuffer>][] {
  Deno.mkdirSync(`${dir}/image/rootfs/bin`, { recursive: true });
  Deno.writeTextFileSync(`${dir}/image/manifest`, MANIFEST_TEXT);
  Deno.writeTextFileSync(`${dir}/image/rootfs/bin/app`, "the app");
  const tar = (...flags: string[]) => {
    const args = ["-C", `${dir}/image`, "-cf", "-", ...flags];
    const { success, stdout, stderr } = new Deno.Command("tar", { args }).outputSync();
    assert.ok(success, new TextDecoder().decode(stderr));
    return new Uint8Array(stdout);
  };
  const parts = ["manifest", "rootfs"];
  const plain = tar(...parts);
  const end = plain.findLastIndex((byte) => byte !== 0) + 1;
  const last = Math.ceil(end / 512) * 512;
  const packed = new Uint8Array(gzipSync(plain));
  return [
    ["the directory itself", tar(".")],
    ["the directory itself, pax", tar("--format=pax", ".")],
    ["a label", tar("-V", "a label", ...parts)],
    ["a label, pax", tar("--format=pax", "-V", "a label", ...parts)],
    ["lists of directories", tar("--format=gnu", "-g", `${dir}/snapshot`, ...parts)],
    ["lists of directories, pax", tar("--format=pax", "-g", `${dir}/snapshot2`, ...parts)],
    ["one zero block at the end", plain.slice(0, last + 512)],
    ...[1, 511, 65_536, 700_000].map((n): [string, Uint8Array<ArrayBuffer>] => [
      `${n} zero bytes after gzip`,
      joined(packed, new Uint8Array(n)),
    ]),
  ];
}

Deno.test("readAci() takes what tar and gzip take", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    for (const [what, bytes] of archives(dir)) {
      for (const chunk of [bytes.length, 4096, 1000]) {
        const names: string[] = [];
        const { manifestText } = await readAci(bytesSource("an image", bytes, chunk), {
          entry: ({ path, kind }) => {
            names.push(`${kind} ${path}`);
            return false;
          },
        });
        assert.equal(manifestText, MANIFEST_TEXT, what);
        assert.deepEqual(names.sort(), [
          "directory rootfs",
          "directory rootfs/bin",
          "file manifest",
          "file rootfs/bin/app",
        ], what);
      }
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
