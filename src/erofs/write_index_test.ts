import assert from "node:assert/strict";
import {
  archive,
  directory,
  entry,
  hardlink,
  image,
  joined,
  manifest,
  paxRecord,
  special,
  symlink,
} from "../aci/testing/archive_fixture.ts";
import { bytesSource } from "../aci/bytes/source.ts";
import type { ImageNode } from "../aci/render.ts";
import { deleteTree } from "../linux/delete_tree.ts";
import { SUPER } from "./format.ts";
import type { MountMethod } from "./mount_index.ts";
import { indexBytes, mergedTree, mountTree } from "./testing/mounted_index.ts";

const ignore = Deno.uid() !== 0;

const node = (bytes: Uint8Array): ImageNode => ({
  id: "",
  open: () => bytesSource("test.aci", bytes),
  pathWhitelist: [],
  dependencies: [],
});

/** Mounts an image and looks at it. */
async function withMounted(
  bytes: Uint8Array,
  look: (path: string) => void,
  method?: MountMethod,
): Promise<void> {
  const place = Deno.makeTempDirSync({ prefix: "rkt-index-" });
  try {
    using mounted = mountTree(await mergedTree(node(bytes)), new Map([["", bytes]]), place, method);
    look(mounted.path);
  } finally {
    deleteTree(place, "unmount");
  }
}

const pax = (...records: readonly (readonly [string, string])[]) =>
  special("x", records.map(([key, value]) => paxRecord(key, value)).join(""));

for (const method of ["file", "loop"] as const) {
  Deno.test({
    name: `an index that is mounted by ${method} shows contents, links, owners, times`,
    ignore,
    fn: () =>
      withMounted(
        image(
          directory("rootfs/d", { mode: 0o1777, uid: 7, gid: 8 }),
          entry({ path: "rootfs/d/f", mode: 0o4755, uid: 70_000, mtime: -5 }, "x".repeat(5000)),
          hardlink("rootfs/g", "rootfs/d/f"),
          symlink("rootfs/long", "t".repeat(3000)),
          entry({ path: "rootfs/none/of/these/listed" }, "y"),
        ),
        (path) => {
          assert.equal(Deno.readTextFileSync(`${path}/g`), "x".repeat(5000));
          const file = Deno.statSync(`${path}/d/f`);
          assert.deepEqual([file.nlink, file.uid, file.mode, file.mtime?.getTime()], [
            2,
            70_000,
            0o104755,
            -5000,
          ]);
          const made = Deno.statSync(`${path}/none/of`);
          assert.deepEqual([made.mode, made.uid, made.mtime?.getTime()], [0o40755, 0, 0]);
          assert.equal(Deno.readLinkSync(`${path}/long`).length, 3000);
          const links = ["", "/d", "/none", "/none/of", "/none/of/these"]
            .map((name) => Deno.statSync(path + name).nlink);
          assert.deepEqual(links, [4, 2, 3, 3, 2]);
          const { mode, uid, gid } = Deno.statSync(`${path}/d`);
          assert.deepEqual([mode, uid, gid], [0o41777, 7, 8]);
          assert.throws(() => Deno.writeTextFileSync(`${path}/new`, ""), /Read-only/);
        },
        method,
      ),
  });
}

Deno.test({
  name: "an index has directories of thousands of names, in their order",
  ignore,
  fn: () => {
    const names = Array.from(
      { length: 5000 },
      (_, i) => `${i * 7919 % 5000}${"x".repeat(i % 200)}`,
    );
    return withMounted(
      image(...names.map((name) => entry({ path: `rootfs/d/${name}` }, name))),
      (path) => {
        assert.equal([...Deno.readDirSync(`${path}/d`)].length, 5000);
        for (const name of names) assert.equal(Deno.readTextFileSync(`${path}/d/${name}`), name);
      },
    );
  },
});

Deno.test({
  name: "an index shows the holes of a sparse file as zeros",
  ignore,
  fn: () => {
    const map = pax(
      ["GNU.sparse.map", "0,512,1048576,1024,3145728,100"],
      ["GNU.sparse.size", "3145828"],
      ["GNU.sparse.name", "rootfs/s"],
    );
    return withMounted(image(joined(map, entry({ path: "x" }, "d".repeat(1636)))), (path) => {
      const bytes = Deno.readFileSync(`${path}/s`);
      assert.equal(bytes.length, 3_145_828);
      assert.equal(bytes.reduce((sum, byte) => sum + (byte === 0x64 ? 1 : byte), 0), 1636);
      assert.deepEqual([bytes[511], bytes[512], bytes[1 << 20]], [0x64, 0, 0x64]);
      assert.deepEqual([bytes[3_145_727], bytes[3_145_827]], [0, 0x64]);
    });
  },
});

Deno.test("the same tree gives the same index", async () => {
  const bytes = image(directory("rootfs/d"), entry({ path: "rootfs/d/f" }, "text"));
  const index = async () => indexBytes(await mergedTree(node(bytes)), () => bytes);
  assert.deepEqual(await index(), await index());
});

Deno.test("an index drops the attributes that steer an overlay above it", async () => {
  const bytes = image(joined(
    pax(
      ["SCHILY.xattr.user.overlay.redirect", "/etc"],
      ["SCHILY.xattr.trusted.overlay.redirect", "/etc"],
      ["SCHILY.xattr.user.kept", "yes"],
    ),
    entry({ path: "rootfs/f" }),
  ));
  const tree = await mergedTree(node(bytes));
  const text = new TextDecoder("latin1").decode(indexBytes(tree, () => bytes));
  assert(text.includes("keptyes"));
  assert(!text.includes("overlay"));
});

Deno.test("an index never holds what no file system takes", async () => {
  const attribute = (key: string, value: string) =>
    joined(pax([`SCHILY.xattr.${key}`, value]), entry({ path: "rootfs/f" }));
  const refused: readonly (readonly [RegExp, Uint8Array])[] = [
    [/ENAMETOOLONG/, entry({ path: `rootfs/${"n".repeat(256)}` })],
    [/ENAMETOOLONG/, entry({ path: `rootfs/${"n".repeat(256)}/f` })],
    [/ENAMETOOLONG/, symlink("rootfs/l", "t".repeat(4096))],
    [/EINVAL/, attribute("user.", "x")],
    [/EINVAL/, attribute("user.a\0b", "x")],
    [/ERANGE/, attribute(`user.${"n".repeat(251)}`, "x")],
    [/E2BIG/, attribute("user.big", "x".repeat(65_537))],
    [/EINVAL/, attribute("security.capability", "no capability")],
    [/twice/, joined(entry({ path: "rootfs/f" }), entry({ path: "rootfs/f" }))],
    [/no directory/, joined(symlink("rootfs/l", "/"), entry({ path: "rootfs/l/f" }))],
    [/`\.\.`/, entry({ path: "rootfs/../f" })],
    [/missing/, hardlink("rootfs/l", "rootfs/none")],
  ];
  for (const [message, bad] of refused) {
    await assert.rejects(mergedTree(node(image(bad))), message);
  }
  await assert.rejects(mergedTree(node(archive(manifest()))), /no `rootfs`/);
});

Deno.test("an index is not made of what it can't say, which is no fault of the image", async () => {
  const sparse = (map: string, size: number, data: number) =>
    joined(
      pax(["GNU.sparse.map", map], ["GNU.sparse.size", `${size}`], ["GNU.sparse.name", "rootfs/s"]),
      entry({ path: "x" }, "d".repeat(data)),
    );
  const many = Array.from({ length: 40 }, (_, i) =>
    [
      `SCHILY.xattr.user.${i}`,
      "x".repeat(6000),
    ] as const);
  const cases: readonly (readonly [RegExp, Uint8Array])[] = [
    [/sparse/, sparse("100,10", 1000, 10)],
    [/sparse/, sparse("0,10,512,10", 1000, 20)],
    [/sparse/, sparse(`512,512`, 2 ** 40, 512)],
    [/attributes/, joined(pax(...many), entry({ path: "rootfs/f" }))],
  ];
  for (const [why, bytes] of cases) {
    const tree = await mergedTree(node(image(bytes)));
    assert.match(tree.unsupported ?? "", why);
    assert.throws(() => indexBytes(tree, () => new Uint8Array()), TypeError);
  }
});

Deno.test("the place of the root fits into 16 bits, whatever stands before it", async () => {
  const tree = await mergedTree(node(image()));
  for (let i = 0; i < 4000; i++) tree.useDevice(`device ${i}`);
  assert.equal(tree.unsupported, undefined);
  const index = indexBytes(tree, () => new Uint8Array(512));
  const nid = new DataView(index.buffer).getUint16(SUPER.at + SUPER.rootNid, true);
  assert.equal(new DataView(index.buffer).getUint16(nid * 32 + 4, true) & 0o170000, 0o40000);
  for (let i = 0; i < 100; i++) tree.useDevice(`more ${i}`);
  assert.match(tree.unsupported ?? "", /too many archives/);
});
