import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type ByteSource, fileSource } from "../aci/bytes/source.ts";
import { parseImageName } from "../appc/image_name.ts";
import { parseLabels } from "../appc/label.ts";
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";
import { testImage } from "../../tests/world/aci.ts";
import { collectImages, removeImage } from "./collect_images.ts";
import { readImageInfo } from "./image_info.ts";
import type { ImportOptions } from "./import_aci.ts";
import { listImages } from "./list_images.ts";
import { changeIndex, openIndex } from "./open_index.ts";
import { Store } from "./store.ts";
import type { StoredImage, StoreUse } from "./stored_image.ts";
import { sweepTemp } from "./temp_directory.ts";
import { detachTrees } from "./tree/mount_tree.ts";
import { verifyImage } from "./verify_image.ts";

function inTemp(test: (dir: string, store: Store) => Promise<void>): () => Promise<void> {
  return async () => {
    const dir = Deno.makeTempDirSync({ prefix: "rkt-store-" });
    try {
      await test(dir, new Store(`${dir}/data`));
    } finally {
      detachTrees(`${dir}/data`, () => true);
      Deno.removeSync(dir, { recursive: true });
    }
  };
}

/** Lets a store extract its trees, whatever the kernel can do. */
function extracting({ dataDir }: Store): void {
  Deno.mkdirSync(`${dataDir}/cas`, { recursive: true });
  Deno.writeTextFileSync(`${dataDir}/cas/index-method`, "off\n");
}

async function imported(
  store: Store,
  path: string,
  options?: ImportOptions,
): Promise<StoredImage> {
  using source = fileSource(path);
  return await store.importAci(source, options);
}

async function named(store: Store, name: string): Promise<string | undefined> {
  return (await store.resolve(parseImageName(name), true))?.key;
}

function temporaries(store: Store): string[] {
  return [...Deno.readDirSync(`${store.dataDir}/cas/tmp`)].map(({ name }) => name);
}

const NO_PODS: StoreUse = { trees: () => new Set(), images: () => new Set() };

const quiet = { inUse: NO_PODS, onTree: () => {}, onImage: () => {}, onLeft: () => {} };

Deno.test(
  "importAci() stores the archive, its manifest and its tree",
  inTemp(async (dir, store) => {
    extracting(store);
    const file = testImage(dir, { name: "example.com/app", files: { "bin/app": "#!" } });
    const image = await imported(store, file);
    assert.match(image.key, /^sha512-[0-9a-f]{64}$/);
    assert.equal(image.manifest.name, "example.com/app");
    const plain = new Deno.Command("gzip", { args: ["-dc", file] }).outputSync().stdout;
    assert.deepEqual(Deno.readFileSync(image.blobPath), plain);
    const tree = store.renderedTree(image);
    assert.ok(tree?.ready);
    assert.match(tree.id, /^deps-sha512-[0-9a-f]{64}$/);
    assert.equal(Deno.readTextFileSync(`${tree.rootfs}/bin/app`), "#!");
    assert.deepEqual(await store.tree(image), tree);
    assert.deepEqual(temporaries(store), []);
  }),
);

/** Notes, in order, when data of a file are synchronised and when something gets its name in the store. */
async function diskOrder(act: () => Promise<unknown>): Promise<readonly string[]> {
  const order: string[] = [];
  const { syncDataSync } = Deno.FsFile.prototype;
  const { renameSync } = Deno;
  Deno.FsFile.prototype.syncDataSync = function () {
    order.push(`${this.statSync().size} bytes`);
    return syncDataSync.call(this);
  };
  Deno.renameSync = (from, to) => {
    order.push(`${to}`.replace(/^.*\/cas\/(\w+)\/.*$/, "$1"));
    return renameSync(from, to);
  };
  try {
    await act();
  } finally {
    Deno.FsFile.prototype.syncDataSync = syncDataSync;
    Deno.renameSync = renameSync;
  }
  return order;
}

for (const way of ["as an index", "extracted", "without its tree"]) {
  Deno.test({
    name: `importAci(): an archive is on the disk before it has its name, ${way}`,
    ignore: Deno.uid() !== 0,
    fn: inTemp(async (dir, store) => {
      if (way === "extracted") extracting(store);
      const file = testImage(dir, { name: "example.com/app", files: { "bin/app": "#!" } });
      const { stdout } = new Deno.Command("gzip", { args: ["-dc", file] }).outputSync();
      const order = await diskOrder(() =>
        imported(store, file, { render: way !== "without its tree" })
      );
      const at = order.indexOf(`${stdout.length} bytes`);
      assert.ok(at >= 0 && at < order.indexOf("blob"), order.join(", "));
    }),
  });
}

Deno.test({
  name: "importAci() makes an index of the tree, which is mounted when it is needed",
  ignore: Deno.uid() !== 0,
  fn: inTemp(async (dir, store) => {
    const file = testImage(dir, { name: "example.com/app", files: { "bin/app": "#!" } });
    const image = await imported(store, file);
    const tree = store.renderedTree(image);
    assert.deepEqual([tree?.kind, tree?.ready], ["erofs", false]);
    assert.deepEqual(await store.tree(image), { ...tree, ready: true });
    assert.equal(Deno.readTextFileSync(`${tree?.rootfs}/bin/app`), "#!");
    assert.equal(store.renderedTree(image)?.ready, true);
    // As after a reboot.
    detachTrees(store.dataDir, () => true);
    assert.equal(store.renderedTree(image)?.ready, false);
    assert.equal((await store.tree(image)).ready, true);
    // The tree has its archive even if the image's is gone.
    Deno.removeSync(image.blobPath);
    detachTrees(store.dataDir, () => true);
    const { rootfs } = await store.tree(image);
    assert.equal(Deno.readTextFileSync(`${rootfs}/bin/app`), "#!");
    assert.deepEqual(temporaries(store), []);
  }),
});

Deno.test({
  name: "a tree that can't be mounted any more is extracted, and one of files is used as it is",
  ignore: Deno.uid() !== 0,
  fn: inTemp(async (dir, store) => {
    const files = { "bin/app": "#!" };
    const image = await imported(store, testImage(dir, { name: "example.com/app", files }));
    assert.equal((await store.tree(image)).kind, "erofs");
    detachTrees(store.dataDir, () => true);
    extracting(store);
    const tree = await store.tree(image);
    assert.equal(tree.kind, "directory");
    assert.equal(Deno.readTextFileSync(`${tree.rootfs}/bin/app`), "#!");
    Deno.removeSync(`${store.dataDir}/cas/index-method`);
    assert.deepEqual(await store.tree(image), tree);
    assert.deepEqual(temporaries(store), []);
  }),
});

Deno.test({
  name: "removeImage() removes the index of the image's tree, unless a pod uses it",
  ignore: Deno.uid() !== 0,
  fn: inTemp(async (dir, store) => {
    // Large enough to be closed by the kernel.
    const files = { a: "a".repeat(17 << 20) };
    const file = testImage(dir, { name: "example.com/app", files });
    const image = await imported(store, file);
    const tree = await store.tree(image);
    const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = open();
    const inUse = { ...NO_PODS, trees: () => new Set([tree.id]) };
    await removeImage(store, image.key, inUse);
    assert.equal(Deno.readTextFileSync(`${tree.rootfs}/a`), files.a);
    await imported(store, file);
    assert.ok(await removeImage(store, image.key, NO_PODS) > 17 << 20);
    assert.equal(open(), before);
    assert.deepEqual(temporaries(store), []);
    assert.equal(exists(tree.rootfs), false);
    assert.deepEqual([...Deno.readDirSync(`${store.dataDir}/cas/tree`)], []);
  }),
});

Deno.test({
  name: "an image that is imported once more is on the disk once",
  ignore: Deno.uid() !== 0,
  fn: inTemp(async (dir, store) => {
    const file = testImage(dir, { name: "example.com/app", files: { a: "a" } });
    const image = await imported(store, file);
    const { rootfs } = await store.tree(image);
    await imported(store, file);
    assert.equal(Deno.statSync(image.blobPath).nlink, 2);
    assert.equal(Deno.readTextFileSync(`${rootfs}/a`), "a");
    detachTrees(store.dataDir, () => true);
    await store.tree(image);
    assert.equal(Deno.readTextFileSync(`${rootfs}/a`), "a");
    assert.equal(await verifyImage(store, image, NO_PODS), undefined);
  }),
});

Deno.test({
  name: "collectImages() detaches what no pod uses",
  ignore: Deno.uid() !== 0,
  fn: inTemp(async (dir, store) => {
    const make = (name: string) => imported(store, testImage(dir, { name, files: { a: name } }));
    const used = await store.tree(await make("example.com/used"));
    const left = await store.tree(await make("example.com/left"));
    const inUse = { ...NO_PODS, trees: () => new Set([used.id]) };
    collectImages(store, { gracePeriod: Infinity, ...quiet, inUse });
    assert.equal(Deno.readTextFileSync(`${used.rootfs}/a`), "example.com/used");
    assert.equal(exists(left.rootfs), false);
  }),
});

Deno.test({
  name: "verifyImage() repairs a damaged index, and an archive that is not the image's",
  ignore: Deno.uid() !== 0,
  fn: inTemp(async (dir, store) => {
    const files = { "bin/sh": "#!" };
    const image = await imported(store, testImage(dir, { name: "example.com/a", files }));
    const { id, rootfs } = await store.tree(image);
    const path = `${store.dataDir}/cas/tree/${id}`;
    assert.equal(await verifyImage(store, image, NO_PODS), undefined);
    const damages: readonly (readonly [() => void, string])[] = [
      [() => Deno.writeTextFileSync(`${path}/index.erofs`, "x", { append: true }), "its index"],
      [() => {
        Deno.removeSync(`${path}/1`);
        Deno.copyFileSync(image.blobPath, `${path}/1`);
        Deno.writeTextFileSync(`${path}/1`, "x", { append: true });
      }, "its archive 1"],
    ];
    for (const [damage, what] of damages) {
      damage();
      const inUse = { ...NO_PODS, trees: () => new Set([id]) };
      await assert.rejects(verifyImage(store, image, inUse), /is changed\) and pods use/);
      assert.equal(await verifyImage(store, image, NO_PODS), `${what} is changed`);
      assert.equal(await verifyImage(store, image, NO_PODS), undefined);
      await store.tree(image);
      assert.equal(Deno.readTextFileSync(`${rootfs}/bin/sh`), "#!");
    }
  }),
});

Deno.test(
  "resolve() finds images by ID, by name and by labels",
  inTemp(async (dir, store) => {
    const one = await imported(store, testImage(dir, { name: "example.com/a", version: "1" }));
    const two = await imported(store, testImage(dir, { name: "example.com/a", version: "2" }));
    assert.equal((await store.resolve({ id: one.key }))?.key, one.key);
    assert.equal((await store.resolve({ id: one.key.slice(0, 30) }))?.key, one.key);
    assert.equal((await store.resolve({ id: one.key + "0".repeat(64) }))?.key, one.key);
    assert.equal(await store.resolve({ id: "sha512-" + "0".repeat(64) }), undefined);
    for (let repeated = 0; repeated < 2; repeated++) {
      assert.equal(await named(store, "example.com/a"), two.key);
      assert.equal(await named(store, "example.com/a:1"), one.key);
      assert.equal(await named(store, "example.com/a:1,os=linux"), one.key);
      assert.equal(await named(store, "example.com/a:3"), undefined);
      assert.equal(await named(store, "example.com/a,os=freebsd"), undefined);
      assert.equal(await named(store, "example.com/b"), undefined);
    }
    await assert.rejects(store.resolve({ id: "sha512-x" }), Failure);
  }),
);

Deno.test(
  "resolve() refuses an ambiguous ID",
  inTemp(async (_dir, store) => {
    const shard = `${store.dataDir}/cas/imageManifest/sha512/ab`;
    Deno.mkdirSync(shard, { recursive: true });
    for (const end of ["1", "2"]) {
      Deno.writeTextFileSync(`${shard}/sha512-ab${"0".repeat(61)}${end}`, "");
    }
    await assert.rejects(store.resolve({ id: "sha512-ab" }), /ambiguous: 2 images/);
  }),
);

Deno.test(
  "resolve() sees an import in spite of the answers it remembers",
  inTemp(async (dir, store) => {
    const first = testImage(dir, { name: "example.com/a", version: "1" });
    const one = await imported(store, first);
    assert.equal(await named(store, "example.com/a"), one.key);
    const two = await imported(store, testImage(dir, { name: "example.com/a", version: "2" }));
    assert.equal(await named(store, "example.com/a"), two.key);
    await removeImage(store, two.key, NO_PODS);
    assert.equal(await named(store, "example.com/a"), one.key);
    // The same archive: one made anew has other times in it, and so may have another key.
    await imported(store, first, { latest: true });
    const three = await imported(store, testImage(dir, { name: "example.com/a", version: "3" }));
    assert.equal(await named(store, "example.com/a"), one.key, "fetched without a version");
    assert.equal(await named(store, "example.com/a:3"), three.key);
  }),
);

Deno.test(
  "resolve() answers a repeated query without the index",
  inTemp(async (dir, store) => {
    const image = await imported(store, testImage(dir, { name: "example.com/a" }));
    assert.equal(await named(store, "example.com/a:1.0"), image.key);
    Deno.removeSync(`${store.dataDir}/cas/db`, { recursive: true });
    Deno.writeTextFileSync(`${store.dataDir}/cas/db`, "not a directory");
    assert.equal(await named(store, "example.com/a:1.0"), image.key);
  }),
);

Deno.test(
  "resolve() answers rightly after a crash in the middle of a change",
  inTemp(async (dir, store) => {
    const one = await imported(store, testImage(dir, { name: "example.com/a", version: "1" }));
    assert.equal(await named(store, "example.com/a"), one.key);
    assert.throws(() =>
      changeIndex(store.dataDir, () => {
        throw new Error("killed");
      })
    );
    assert.ok(!temporaries(store).length);
    assert.equal(await named(store, "example.com/a"), one.key);
    // What the change had done is true, whatever was remembered before it.
    assert.throws(() =>
      changeIndex(store.dataDir, (index) => {
        index.remove(one.key);
        throw new Error("killed");
      })
    );
    assert.equal(await named(store, "example.com/a"), undefined);
    const two = await imported(store, testImage(dir, { name: "example.com/a", version: "2" }));
    assert.equal(await named(store, "example.com/a"), two.key);
  }),
);

Deno.test(
  "the index is made anew when it is missing, damaged or of another version",
  inTemp(async (dir, store) => {
    const signers = [{
      fingerprint: "ab".repeat(20),
      identity: "Jo <jo@example.com>",
      signedAt: 5,
    }];
    const image = await imported(store, testImage(dir, { name: "example.com/a" }), {
      latest: true,
      verify: () => signers,
    });
    const path = `${store.dataDir}/cas/db/index.sqlite`;
    const damages: readonly (() => void)[] = [
      () => Deno.removeSync(path),
      () => Deno.writeTextFileSync(path, "garbage"),
      () => Deno.writeFileSync(path, new Uint8Array(5000)),
      () => Deno.truncateSync(path, 5000),
      () => {
        const database = new DatabaseSync(path);
        database.exec("UPDATE version SET version = 0; DELETE FROM aciinfo");
        database.close();
      },
    ];
    for (const damage of damages) {
      damage();
      for (const { name } of Deno.readDirSync(`${store.dataDir}/cas/resolved`)) {
        Deno.removeSync(`${store.dataDir}/cas/resolved/${name}`);
      }
      assert.equal(await named(store, "example.com/a"), image.key);
      using index = openIndex(store.dataDir);
      assert.deepEqual(index.signers(image.key), signers);
      assert.equal(index.images()[0]?.latest, true);
    }
  }),
);

Deno.test(
  "a store of rkt 1 is told of in one line, when the index is made beside it",
  inTemp(async (dir, store) => {
    Deno.mkdirSync(`${store.dataDir}/cas/db`, { recursive: true, mode: 0o700 });
    Deno.writeTextFileSync(`${store.dataDir}/cas/db/ql.db`, "of ql");
    const lines: unknown[] = [];
    const { error } = console;
    console.error = (line) => lines.push(line);
    try {
      await imported(store, testImage(dir, { name: "example.com/a" }));
      await imported(store, testImage(dir, { name: "example.com/b" }));
    } finally {
      console.error = error;
    }
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(String(lines[0]), /^the images that rkt 1 has stored in .* fetch them once more/);
  }),
);

Deno.test(
  "importAci() of a stored image that nobody has verified forgets nobody who had signed it",
  inTemp(async (dir, store) => {
    const file = testImage(dir, { name: "example.com/a" });
    const signer = (digit: string, signedAt: number) => ({
      ...{ fingerprint: digit.repeat(40), identity: digit, signedAt },
    });
    const [one, two, again] = [signer("1", 1), signer("2", 2), signer("1", 3)];
    const { key } = await imported(store, file, { verify: () => [one], signature: "first" });
    const signers = () => {
      using index = openIndex(store.dataDir);
      return index.signers(key);
    };
    await imported(store, file);
    assert.deepEqual(signers(), [one]);
    assert.equal(readImageInfo(store.dataDir, key).signature, "first");
    await imported(store, file, { verify: () => [two] });
    assert.deepEqual(signers(), [one, two]);
    await imported(store, file, { verify: () => [again] });
    assert.deepEqual(signers(), [again, two]);
  }),
);

Deno.test(
  "importAci() leaves nothing when the image is refused",
  inTemp(async (dir, store) => {
    const file = testImage(dir, { name: "example.com/a", files: { a: "a".repeat(5000) } });
    const whole = Deno.readFileSync(file);
    const bad: readonly (readonly [string, Uint8Array, ImportOptions?])[] = [
      ["truncated", whole.subarray(0, whole.length - 20)],
      ["empty", new Uint8Array()],
      ["text", new TextEncoder().encode("not an image at all".repeat(100))],
      ["refused", whole, {
        verify: () => {
          throw new Failure("not signed by anybody");
        },
      }],
    ];
    for (const [name, bytes, options] of bad) {
      Deno.writeFileSync(`${dir}/bad.aci`, bytes);
      await assert.rejects(imported(store, `${dir}/bad.aci`, options), Failure, name);
      assert.deepEqual(temporaries(store), [], name);
      assert.deepEqual(await listImages(store), [], name);
    }
    const wrong = testImage(dir, { name: "example.com/b", manifest: { acVersion: "1.0.0" } });
    await assert.rejects(imported(store, wrong), /b-1.0.aci: its manifest is invalid: acVersion/);
    assert.deepEqual(temporaries(store), []);
  }),
);

for (const way of ["without a tree", "extracted", "as an index"]) {
  Deno.test(
    `importAci() refuses a wrong manifest that stands first before the rest is read, ${way}`,
    inTemp(async (dir, store) => {
      const name = "example.com/b";
      const files = { a: "a".repeat(5_000_000) };
      const path = testImage(dir, { name, files, manifest: { acVersion: "1" }, compression: "" });
      if (way === "extracted") extracting(store);
      using file = fileSource(path);
      let read = 0;
      const counted: ByteSource = {
        name: file.name,
        read: async () => {
          const chunk = await file.read();
          read += chunk?.length ?? 0;
          return chunk;
        },
        [Symbol.dispose]: () => {},
      };
      const options = way === "without a tree" ? { render: false } : {};
      const refused = store.importAci(counted, options);
      await assert.rejects(refused, /b-1.0.aci: its manifest is invalid: acVersion/);
      assert.ok(read < 2_000_000, `${read} bytes were read`);
      assert.deepEqual(temporaries(store), []);
    }),
  );
}

Deno.test(
  "importAci() says that the disk is full",
  inTemp(async (dir) => {
    const small = `${dir}/small`;
    Deno.mkdirSync(small);
    const mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small];
    assert.ok(new Deno.Command("mount", { args: mount }).outputSync().success);
    try {
      const store = new Store(small);
      const file = testImage(dir, { name: "example.com/a", files: { a: "a".repeat(3 << 20) } });
      await assert.rejects(
        imported(store, file),
        (error) => error instanceof Failure && /no space left|disk is full/i.test(error.message),
      );
      assert.deepEqual(temporaries(store), []);
    } finally {
      new Deno.Command("umount", { args: [small] }).outputSync();
    }
  }),
);

Deno.test(
  "tree() renders an image with what it depends on",
  inTemp(async (dir, store) => {
    const files = { "etc/who": "base", "etc/base": "1" };
    const base = await imported(store, testImage(dir, { name: "example.com/base", files }));
    const dependencies = [{ imageName: "example.com/base" }];
    const top = await imported(
      store,
      testImage(dir, {
        name: "example.com/top",
        files: { "etc/who": "top" },
        manifest: { dependencies },
      }),
    );
    assert.equal(store.renderedTree(top), undefined);
    const tree = await store.tree(top);
    assert.equal(Deno.readTextFileSync(`${tree.rootfs}/etc/who`), "top");
    assert.equal(Deno.readTextFileSync(`${tree.rootfs}/etc/base`), "1");
    assert.deepEqual(await Promise.all([store.tree(top), store.tree(top)]), [tree, tree]);
    assert.deepEqual(temporaries(store), []);
    await removeImage(store, base.key, NO_PODS);
    await assert.rejects(
      store.tree(top),
      /depends on "example.com\/base,os=linux.*not in the store/,
    );
  }),
);

Deno.test(
  "tree() respects the whitelist of paths",
  inTemp(async (dir, store) => {
    const image = await imported(
      store,
      testImage(dir, {
        name: "example.com/a",
        files: { yes: "y", no: "n" },
        manifest: { pathWhitelist: ["/yes"] },
      }),
    );
    const { rootfs } = await store.tree(image);
    assert.deepEqual([...Deno.readDirSync(rootfs)].map(({ name }) => name), ["yes"]);
    assert.deepEqual(store.renderedTree(image)?.rootfs, rootfs);
  }),
);

Deno.test(
  "tree() refuses an image that depends on itself",
  inTemp(async (dir, store) => {
    const on = (imageName: string) => ({ dependencies: [{ imageName }] });
    const a = testImage(dir, { name: "example.com/a", manifest: on("example.com/b") });
    const image = await imported(store, a);
    await imported(store, testImage(dir, { name: "example.com/b", manifest: on("example.com/a") }));
    await assert.rejects(store.tree(image), /depends on itself/);
  }),
);

Deno.test(
  "verifyImage() repairs a damaged tree and says what was damaged",
  inTemp(async (dir, store) => {
    extracting(store);
    const files = { "bin/sh": "#!", "etc/empty/": "", "etc/passwd": "root" };
    const image = await imported(store, testImage(dir, { name: "example.com/a", files }));
    const { rootfs } = await store.tree(image);
    assert.equal(await verifyImage(store, image, NO_PODS), undefined);
    const damages: readonly (readonly [() => void, string])[] = [
      [() => Deno.writeTextFileSync(`${rootfs}/bin/sh`, "#?"), "/bin/sh is changed"],
      [() => Deno.chmodSync(`${rootfs}/bin/sh`, 0o4755), "/bin/sh has other permissions"],
      [() => Deno.chownSync(`${rootfs}/etc`, 5, 5), "/etc has another owner"],
      [() => Deno.removeSync(`${rootfs}/etc/empty`), "/etc/empty is missing"],
      [() => Deno.writeTextFileSync(`${rootfs}/etc/new`, ""), "/etc/new is one too many"],
      [() => {
        Deno.removeSync(`${rootfs}/etc/passwd`);
        Deno.symlinkSync("shadow", `${rootfs}/etc/passwd`);
      }, "/etc/passwd is of another type"],
    ];
    for (const [damage, said] of damages) {
      damage();
      assert.equal(await verifyImage(store, image, NO_PODS), said);
      assert.equal(await verifyImage(store, image, NO_PODS), undefined);
    }
    assert.deepEqual(temporaries(store), []);
    Deno.writeTextFileSync(image.blobPath, "x", { append: true });
    await assert.rejects(verifyImage(store, image, NO_PODS), /its archive in the store is damaged/);
    await imported(store, `${dir}/a-1.0.aci`);
    assert.equal(await verifyImage(store, image, NO_PODS), undefined);
  }),
);

Deno.test(
  "verifyImage() leaves a damaged tree that a pod uses",
  inTemp(async (dir, store) => {
    extracting(store);
    const image = await imported(
      store,
      testImage(dir, { name: "example.com/a", files: { a: "" } }),
    );
    const tree = await store.tree(image);
    Deno.writeTextFileSync(`${tree.rootfs}/a`, "b");
    await assert.rejects(
      verifyImage(store, image, { ...NO_PODS, trees: () => new Set([tree.id]) }),
      /is damaged \(\/a has another size\) and pods use/,
    );
  }),
);

for (const kind of ["as indexes", "extracted"]) {
  Deno.test(
    `collectImages() keeps what pods need and what was used lately, ${kind}`,
    inTemp(async (dir, store) => {
      if (kind === "extracted") extracting(store);
      const make = (name: string) => imported(store, testImage(dir, { name, files: { a: name } }));
      const [running, recent, old] = [
        await make("example.com/running"),
        await make("example.com/recent"),
        await make("example.com/old"),
      ];
      const runningTree = await store.tree(running);
      const long = new Date(Date.now() - 3_600_000);
      for (const image of [running, recent, old]) Deno.utimeSync(image.blobPath, long, long);
      store.markUsed(recent);
      Deno.writeTextFileSync(`${store.dataDir}/cas/blob/sha512/${old.key.slice(7, 9)}/half`, "");
      const trees: string[] = [];
      const images: string[] = [];
      const freed = collectImages(store, {
        gracePeriod: 600_000,
        inUse: { trees: () => new Set([runningTree.id]), images: () => new Set([running.key]) },
        onTree: (id) => trees.push(id),
        onImage: (key) => images.push(key),
        onLeft: assert.fail,
      });
      assert.deepEqual(images, [old.key]);
      // Of the image that stays, an index stays too.
      assert.equal(trees.length, runningTree.kind === "erofs" ? 1 : 2);
      assert.ok(freed > 0);
      assert.deepEqual((await listImages(store)).map(({ key }) => key), [running.key, recent.key]);
      assert.deepEqual(store.renderedTree(running), runningTree);
      assert.equal(
        store.renderedTree(recent)?.kind,
        runningTree.kind === "erofs" ? "erofs" : undefined,
      );
      assert.ok((await store.tree(recent)).ready);
      assert.deepEqual(temporaries(store), []);
    }),
  );
}

Deno.test(
  "collectImages() keeps what an image that stays depends on",
  inTemp(async (dir, store) => {
    const make = (name: string, ...below: string[]) => {
      const dependencies = below.map((imageName) => ({ imageName }));
      return imported(store, testImage(dir, { name, manifest: { dependencies } }));
    };
    const base = await make("example.com/base");
    const tools = await make("example.com/tools", "example.com/base");
    const app = await make("example.com/app", "example.com/tools");
    const other = await make("example.com/other", "example.com/base");
    const long = new Date(Date.now() - 3_600_000);
    for (const image of [base, tools, other]) Deno.utimeSync(image.blobPath, long, long);
    collectImages(store, { gracePeriod: 600_000, ...quiet });
    const keys = (await listImages(store)).map(({ key }) => key);
    assert.deepEqual(keys, [base.key, tools.key, app.key]);
    assert.ok(await store.tree(app));
    Deno.utimeSync(app.blobPath, long, long);
    collectImages(store, { gracePeriod: 600_000, ...quiet });
    assert.deepEqual(await listImages(store), []);
  }),
);

Deno.test(
  "sweepTemp() deletes what was abandoned and nothing else",
  inTemp(async (dir, store) => {
    await imported(store, testImage(dir, { name: "example.com/a" }));
    Deno.mkdirSync(`${store.dataDir}/cas/tmp/dead/tree/x`, { recursive: true });
    const file = testImage(dir, { name: "example.com/b" });
    await imported(store, file, {
      verify: () => {
        assert.equal(temporaries(store).length, 1);
        sweepTemp(store.dataDir);
        assert.equal(temporaries(store).length, 1);
        return [];
      },
    });
    assert.deepEqual(temporaries(store), []);
    collectImages(store, { gracePeriod: Infinity, ...quiet });
  }),
);

Deno.test(
  "skeleton() has the mount points",
  inTemp((_dir, store) => {
    Deno.mkdirSync(store.dataDir);
    const old = Deno.umask(0o077);
    try {
      assert.equal(store.skeleton(), store.skeleton());
    } finally {
      Deno.umask(old);
    }
    const modes = [...Deno.readDirSync(store.skeleton())].map(({ name }) =>
      `${name} ${((Deno.statSync(`${store.skeleton()}/${name}`).mode ?? 0) & 0o7777).toString(8)}`
    );
    assert.deepEqual(modes.sort(), [
      ...["dev 755", "etc 755", "proc 755", "run 755", "sys 755", "tmp 1777"],
    ]);
    return Promise.resolve();
  }),
);

Deno.test(
  "resolve() takes no label's value for two labels",
  inTemp(async (dir, store) => {
    const label = (name: string, value: string) => ({ name, value });
    const image = async (version: string, ...labels: readonly ReturnType<typeof label>[]) => {
      const manifest = { labels: [label("version", version), ...labels] };
      const file = testImage(dir, { name: "example.com/labels", version, manifest });
      return (await imported(store, file)).key;
    };
    const one = await image("1", label("a", "1,b=2"));
    const two = await image("2", label("a", "1"), label("b", "2"));
    const { name } = parseImageName("example.com/labels");
    const found = async (...labels: readonly ReturnType<typeof label>[]) => {
      const query = { name, labels: parseLabels(labels, "labels") };
      return (await store.resolve(query))?.key;
    };
    // The second time from what was remembered.
    for (let i = 0; i < 2; i++) {
      assert.equal(await found(label("a", "1,b=2")), one);
      assert.equal(await found(label("a", "1"), label("b", "2")), two);
    }
  }),
);
