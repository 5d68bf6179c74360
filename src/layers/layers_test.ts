import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { bytesSource } from "../aci/bytes/source.ts";
import {
  directory,
  entry,
  type EntryFields,
  joined,
  symlink,
} from "../aci/testing/archive_fixture.ts";
import { ARCHIVE_END } from "../aci/tar/tar_writer.ts";
import { TreeWriter } from "../aci/tree_writer.ts";
import type { LayerEntries } from "./layer_entries.ts";
import { lookUp, readFile } from "./look_up.ts";
import { mergeLayers } from "./merged_tree.ts";
import { readLayer } from "./read_layer.ts";
import { nodesOf, writeTree } from "./write_tree.ts";

const file = (path: string, text = "", fields: Partial<EntryFields> = {}) =>
  entry({ path, ...fields }, text);
const whiteout = (path: string) => entry({ path });
const hardlink = (path: string, link: string) => entry({ kind: "hardlink", path, link });
const tar = (...entries: readonly Uint8Array[]) => joined(...entries, ARCHIVE_END);

async function layer(name: string, bytes: Uint8Array): Promise<LayerEntries> {
  return (await readLayer(bytesSource(name, bytes, 700))).entries;
}

/** The merged tree as lines: `path kind layer`. */
async function merged(...layers: readonly Uint8Array[]): Promise<string[]> {
  const entries = await Promise.all(layers.map((bytes, i) => layer(`layer ${i + 1}`, bytes)));
  return [...nodesOf(mergeLayers(entries))].slice(1)
    .map(([path, { entry, layer }]) => `${path} ${entry.kind} ${layer}`);
}

Deno.test("mergeLayers() lets upper layers replace files, and keeps what is in directories", async () => {
  assert.deepEqual(
    await merged(
      tar(directory("a/"), file("a/x"), file("a/y")),
      tar(directory("a"), file("a/x"), file("./b/c")),
    ),
    ["a directory 1", "a/x file 1", "a/y file 0", "b directory 1", "b/c file 1"],
  );
});

Deno.test("mergeLayers() replaces directories by files and files by directories", async () => {
  assert.deepEqual(
    await merged(
      tar(directory("a"), file("a/x"), file("b"), symlink("c", "a")),
      tar(file("a"), directory("b"), file("b/y"), directory("c"), file("c/z")),
    ),
    ["a file 1", "b directory 1", "b/y file 1", "c directory 1", "c/z file 1"],
  );
});

Deno.test("mergeLayers() takes away what whiteouts name, of lower layers only, wherever they stand", async () => {
  assert.deepEqual(
    await merged(
      tar(file("a"), file("b"), directory("d"), file("d/x"), file("d/y")),
      tar(
        file("a"),
        whiteout(".wh.a"),
        whiteout(".wh.b"),
        whiteout(".wh.missing"),
        whiteout("no/such/.wh.parent"),
        whiteout("d/.wh.x"),
        file("b.new"),
      ),
    ),
    ["a file 1", "b.new file 1", "d directory 0", "d/y file 0"],
  );
});

Deno.test("mergeLayers() empties opaque directories of what is lower, before and after what is added", async () => {
  const lower = tar(directory("d"), file("d/x"), directory("d/sub"), file("d/sub/z"));
  assert.deepEqual(
    await merged(lower, tar(directory("d"), file("d/n"), whiteout("d/.wh..wh..opq"))),
    ["d directory 1", "d/n file 1"],
  );
  assert.deepEqual(await merged(lower, tar(whiteout(".wh..wh..opq"), file("n"))), ["n file 1"]);
});

Deno.test("a whiteout in one layer does not hide what a later one adds", async () => {
  assert.deepEqual(await merged(tar(file("a")), tar(whiteout(".wh.a")), tar(file("a"))), [
    "a file 2",
  ]);
});

Deno.test("a whiteout does not go through a symlink of a lower layer", async () => {
  assert.deepEqual(
    await merged(
      tar(directory("usr"), file("usr/f"), symlink("lib", "usr")),
      tar(whiteout("lib/.wh.f")),
    ),
    ["lib symlink 0", "usr directory 0", "usr/f file 0"],
  );
});

Deno.test("hard links are one node across layers, and keep the old content when a name is replaced", async () => {
  const layers = [
    tar(file("a", "old"), hardlink("b", "a")),
    tar(hardlink("c", "./a")),
    tar(file("a", "new")),
  ];
  const entries = await Promise.all(layers.map((bytes, i) => layer(`l${i}`, bytes)));
  const root = mergeLayers(entries);
  assert.equal(root.children.get("b"), root.children.get("c"));
  assert.notEqual(root.children.get("a"), root.children.get("b"));
  assert.equal(root.children.get("c")?.layer, 0);
});

Deno.test("what aufs and eStargz keep for themselves is left out", async () => {
  assert.deepEqual(
    await merged(tar(
      directory(".wh..wh.plnk"),
      file(".wh..wh.plnk/1.2"),
      file(".wh..wh.aufs"),
      file("stargz.index.json"),
      file(".no.prefetch.landmark"),
      file("keep"),
    )),
    ["keep file 0"],
  );
});

for (
  const [what, bytes, message] of [
    ["`..` in a name", tar(file("a/../../b")), /has `\.\.` in its name/],
    ["`..` in a target", tar(file("b"), hardlink("a", "../b")), /has `\.\.` in its target/],
    ["a hardlink to nothing", tar(hardlink("a", "b")), /"a".* hardlink to "b", which no layer has/],
    ["a hardlink to a directory", tar(directory("b"), hardlink("a", "b")), /is a directory/],
    ["a hardlink to the root", tar(hardlink("a", "/")), /hardlink to the root/],
    ["a file below a symlink", tar(symlink("a", "/etc"), file("a/x")), /below "a", which is a sym/],
    ["a file below a file", tar(file("a"), file("a/x")), /below "a", which is a file/],
    ["a file as root", tar(file("./")), /in place of the root/],
    ["a whiteout of a dot", tar(whiteout("a/.wh..")), /a name that no file can have/],
    ["a whiteout of dots", tar(whiteout(".wh...")), /a name that no file can have/],
    ["an empty whiteout", tar(whiteout(".wh.")), /a name that no file can have/],
    ["an opaque directory as nobody writes it", tar(whiteout("d/.wh..wh.opq")), /a name that no/],
    ["a whiteout of a whiteout", tar(whiteout(".wh..wh.x")), /a name that no file can have/],
    ["a file below a whiteout", tar(file(".wh.a/b")), /is below a whiteout/],
    ["a directory as whiteout", tar(directory(".wh.a")), /but a directory/],
    ["a name of 256 bytes", tar(file("x".repeat(256))), /over 255 bytes/],
    ["a layer that is cut", tar(file("a", "text")).subarray(0, 514), /ends too early/],
    ["a file below 1,024 directories", tar(file(`${"d/".repeat(1024)}f`)), /is deeper than 1024/],
    ["a layer whose header is cut", tar(file("a")).subarray(0, 100), /ends too early/],
    ["no layer at all", new TextEncoder().encode("<html>".repeat(200)), /no tar header here/],
    ["a cut gzip", gzipSync(tar(file("a"))).subarray(0, 40), /gzip compression is damaged/],
  ] as const
) {
  Deno.test(`a layer with ${what} is refused`, async () => {
    await assert.rejects(merged(bytes), { name: "ArchiveError", message });
  });
}

Deno.test("readLayer() reads an empty layer, members of gzip, frames of zstd and skippable ones", async () => {
  const plain = tar(file("a", "text"));
  const want = await readLayer(bytesSource("plain", plain));
  const halves = [plain.subarray(0, 600), plain.subarray(600)];
  const members = joined(...halves.map((half) => new Uint8Array(gzipSync(half))));
  const zstd = joined(...await Promise.all(halves.map(zstdOf)));
  const skippable = new Uint8Array([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  for (const bytes of [members, zstd, joined(skippable, zstd), joined(zstd, skippable)]) {
    const { diffId, size } = await readLayer(bytesSource("bytes", bytes, 17));
    assert.deepEqual({ diffId, size }, { diffId: want.diffId, size: plain.length });
  }
  assert.equal((await readLayer(bytesSource("none", ARCHIVE_END))).entries.added.length, 0);
  // As umoci writes it: without an end, and without what fills the last block.
  const unended = plain.subarray(0, 512 + 4);
  assert.equal((await readLayer(bytesSource("umoci", unended))).entries.added.length, 1);
});

async function zstdOf(bytes: Uint8Array): Promise<Uint8Array> {
  const child = new Deno.Command("zstd", { args: ["-c"], stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  return (await child.output()).stdout;
}

Deno.test("writeTree() writes files, links and sparse files; lookUp() follows links inside the root", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    const layers = [
      tar(
        directory("./", { mode: 0o711 }),
        directory("etc", { mtime: 5 }),
        file("etc/passwd", "root:x:0:0\n", { mtime: 7, mode: 0o640 }),
        hardlink("etc/other", "etc/passwd"),
        symlink("up", "../../../etc"),
        symlink("round", "round"),
      ),
      tar(hardlink("third", "etc/passwd"), file("etc/new", "1")),
    ];
    const paths = layers.map((bytes, i) => {
      Deno.writeFileSync(`${dir}/${i}`, bytes);
      return { path: `${dir}/${i}`, isCompressed: false };
    });
    const root = mergeLayers(
      await Promise.all(layers.map((bytes, i) => layer(`l${i}`, bytes))),
    );
    Deno.mkdirSync(`${dir}/tree`);
    {
      using writer = new TreeWriter(`${dir}/tree`, { privileged: false });
      writeTree(root, paths, writer);
      writer.finish();
    }
    const passwd = Deno.statSync(`${dir}/tree/etc/passwd`);
    assert.equal(passwd.nlink, 3);
    assert.equal(Deno.statSync(`${dir}/tree/third`).ino, passwd.ino);
    assert.equal((passwd.mode ?? 0) & 0o777, 0o640);
    assert.equal(Deno.statSync(`${dir}/tree/etc`).mtime?.getTime(), 5000);
    assert.equal((Deno.statSync(`${dir}/tree`).mode ?? 0) & 0o777, 0o711);
    assert.equal(Deno.readTextFileSync(`${dir}/tree/etc/new`), "1");
    const text = (path: string) => new TextDecoder().decode(readFile(root, path, paths, 100));
    assert.equal(text("up/passwd"), "root:x:0:0\n");
    assert.equal(text("/etc/../third"), "root:x:0:0\n");
    assert.equal(lookUp(root, "round"), undefined);
    assert.equal(lookUp(root, "etc/none/x"), undefined);
    assert.equal(readFile(root, "third", paths, 3), undefined);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
