import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { archive, directory, entry, type EntryFields } from "../../aci/testing/archive_fixture.ts";
import { parseAcIdentifier } from "../../appc/identifier.ts";
import { digestOf } from "../../oci/hash.ts";
import { openLocalSource } from "../../oci/open_source.ts";
import { BlobFixture, type DescriptorJson } from "../../oci/testing/layout_fixture.ts";
import { collectImages, removeImage } from "../collect_images.ts";
import type { ImportOciOptions } from "./import_oci.ts";
import { listImages } from "../list_images.ts";
import { readReference } from "./references.ts";
import { LAYER_KINDS } from "../layout.ts";
import { Store } from "../store.ts";
import { storedKeys } from "../stored_keys.ts";
import { detachTrees } from "../tree/mount_tree.ts";
import { verifyImage } from "../verify_image.ts";

const USED = { trees: () => new Set<string>(), images: () => new Set<string>() };
const QUIET = { inUse: USED, onTree: () => {}, onImage: () => {}, onLeft: () => {} };
const REFERENCE = "example.com/app:1";
const OPTIONS: ImportOciOptions = {
  title: { name: "example.com/app", version: "1" },
  references: [REFERENCE],
};

const file = (path: string, text: string, fields: Partial<EntryFields> = {}) =>
  entry({ path, ...fields }, text);
const dir = (path: string) => directory(path);
const BASE = archive(dir("etc"), file("etc/a", "a"), file("etc/b", "b"));
const UPPER = archive(file("etc/.wh.a", ""), file("c", "c"));

/** Kept in whichever form the kernel of this host makes worth it. */
const layerCount = (store: Store) =>
  LAYER_KINDS.reduce((sum, kind) => sum + storedKeys(store.dataDir, kind).length, 0);

class World {
  readonly path = Deno.makeTempDirSync({ prefix: "rkt-store-" });
  readonly store = new Store(`${this.path}/data`);
  readonly fixture = new BlobFixture();
  #layouts = 0;

  async import(image: DescriptorJson, options = OPTIONS) {
    const layout = `${this.path}/layout-${this.#layouts++}`;
    await this.fixture.writeLayout(layout, [image]);
    await using source = await openLocalSource(
      { kind: "layout", path: layout },
      { temporaryDirectory: this.path, maxBytes: 1 << 20 },
    );
    return await this.store.importOci(source, options);
  }

  [Symbol.dispose](): void {
    detachTrees(this.store.dataDir, () => true);
    Deno.removeSync(this.path, { recursive: true });
  }
}

Deno.test("importOci() names an image by its manifest's digest, keeps each layer once, renders it", async () => {
  using world = new World();
  const { store, fixture } = world;
  const image = await world.import(fixture.image([BASE, UPPER]));
  const other = await world.import(fixture.image([BASE]), {
    ...OPTIONS,
    title: { name: "example.com/base" },
    references: ["example.com/base:2"],
  });
  assert.match(image.key, /^sha256-[0-9a-f]{64}$/);
  assert.equal(layerCount(store), 2);
  const { rootfs } = await store.tree(image);
  assert.deepEqual([...Deno.readDirSync(`${rootfs}/etc`)].map(({ name }) => name), ["b"]);
  assert.equal(Deno.readTextFileSync(`${rootfs}/c`), "c");
  assert.equal(image.manifest.name, "example.com/app");
  assert.deepEqual(
    (await listImages(store)).map(({ key, manifest }) => [key, `${manifest.name}`]),
    [[image.key, "example.com/app"], [other.key, "example.com/base"]],
  );
  assert.equal((await store.resolve({ id: image.key.slice(0, 20) }))?.key, image.key);
  const name = parseAcIdentifier("example.com/app");
  assert.equal((await store.resolve({ name, labels: [] }))?.key, image.key);
});

Deno.test("a name stands for what was fetched by it last; one image may have several names", async () => {
  using world = new World();
  const { store, fixture } = world;
  const first = await world.import(fixture.image([BASE]));
  const second = await world.import(fixture.image([UPPER]));
  assert.equal(readReference(store, REFERENCE)?.key, second.key);
  await world.import(fixture.image([BASE]), {
    title: { name: "mirror.example/x", version: "7" },
    references: ["mirror.example/x:7"],
  });
  const mirrored = readReference(store, "mirror.example/x:7");
  assert.equal(mirrored?.key, first.key);
  assert.equal(mirrored?.manifest.name, "mirror.example/x");
  assert.deepEqual(mirrored?.manifest.labels[0], { name: "version", value: "7" });
  assert.equal(readReference(store, "example.com/none:1"), undefined);
});

Deno.test("removing an image takes its names and the layers that no other one needs", async () => {
  using world = new World();
  const { store, fixture } = world;
  const image = await world.import(fixture.image([BASE, UPPER]));
  const other = await world.import(fixture.image([BASE]), { ...OPTIONS, references: ["x/y:1"] });
  await removeImage(store, image.key, USED);
  assert.equal(readReference(store, REFERENCE), undefined);
  assert.equal(layerCount(store), 1);
  assert.equal(await verifyImage(store, other, USED), undefined);
  collectImages(store, { ...QUIET, gracePeriod: 0 });
  for (
    const kind of [
      ...LAYER_KINDS,
      "ociManifest",
      "ociConfig",
      "imageInfo",
      "imageManifest",
    ] as const
  ) {
    assert.deepEqual(storedKeys(store.dataDir, kind), [], kind);
  }
});

Deno.test("collectImages() leaves layers of a pull that was interrupted for the grace period", async () => {
  using world = new World();
  const { store, fixture } = world;
  const broken = fixture.image([BASE, UPPER], {
    config: { rootfs: { type: "layers", diff_ids: [digestOf(BASE), digestOf(BASE.slice(512))] } },
  });
  await assert.rejects(world.import(broken), /layer 2 of 2: its content is sha256:/);
  assert.equal(layerCount(store), 1);
  assert.deepEqual(await listImages(store), []);
  collectImages(store, { ...QUIET, gracePeriod: 3_600_000 });
  assert.equal(layerCount(store), 1);
  collectImages(store, { ...QUIET, gracePeriod: 0 });
  assert.equal(layerCount(store), 0);
});

Deno.test("verifyImage() finds damaged layers, documents and trees", async () => {
  using world = new World();
  const { store, fixture } = world;
  Deno.mkdirSync(`${store.dataDir}/cas`, { recursive: true });
  Deno.writeTextFileSync(`${store.dataDir}/cas/index-method`, "off\n");
  const image = await world.import(fixture.image([BASE]));
  const { rootfs } = await store.tree(image);
  Deno.writeTextFileSync(`${rootfs}/etc/a`, "x");
  assert.equal(await verifyImage(store, image, USED), "/etc/a is changed");
  assert.equal(await verifyImage(store, image, USED), undefined);
  const [layer = ""] = storedKeys(store.dataDir, "layer");
  const path = `${store.dataDir}/cas/layer/sha256/${layer.slice(7, 9)}/${layer}`;
  const bytes = Deno.readFileSync(path);
  bytes[1536] = 0x7a;
  Deno.writeFileSync(path, bytes);
  await assert.rejects(verifyImage(store, image, USED), /layer 1 of 1 is damaged/);
  // A layer that is a good archive, but another one.
  Deno.writeFileSync(path, UPPER);
  await assert.rejects(verifyImage(store, image, USED), /layer 1 of 1 is damaged/);
  Deno.writeFileSync(path, BASE);
  const manifest = `${store.dataDir}/cas/ociManifest/sha256/${image.key.slice(7, 9)}/${image.key}`;
  const text = Deno.readTextFileSync(manifest);
  Deno.writeTextFileSync(manifest, `${text} `);
  await assert.rejects(verifyImage(store, image, USED), /manifest in the store is damaged/);
  Deno.writeTextFileSync(manifest, text);
  assert.equal(await verifyImage(store, image, USED), undefined);
  const config = `${store.dataDir}/cas/ociConfig/sha256/${image.key.slice(7, 9)}/${image.key}`;
  Deno.writeTextFileSync(config, `${Deno.readTextFileSync(config)} `);
  await assert.rejects(verifyImage(store, image, USED), /configuration in the store is damaged/);
});

Deno.test("concurrent imports of one image both succeed, whole", async () => {
  using world = new World();
  const { store, fixture } = world;
  const image = fixture.image([BASE, UPPER]);
  const keys = await Promise.all([world.import(image), world.import(image), world.import(image)]);
  assert.equal(new Set(keys.map(({ key }) => key)).size, 1);
  assert.deepEqual([...Deno.readDirSync(`${store.dataDir}/cas/tmp`)], []);
});

Deno.test("an ACI may depend on an OCI image", async () => {
  using world = new World();
  const { store, fixture } = world;
  const base = await world.import(fixture.image([BASE, UPPER]));
  const { bytesSource } = await import("../../aci/bytes/source.ts");
  const manifest = {
    ...{ acKind: "ImageManifest", acVersion: "0.8.11", name: "example.com/top" },
    dependencies: [{ imageName: "example.com/app", imageID: base.key }],
  };
  const aci = archive(
    entry({ path: "manifest" }, JSON.stringify(manifest)),
    dir("rootfs"),
    file("rootfs/top", "t"),
  );
  const top = await store.importAci(bytesSource("top", aci));
  const { rootfs } = await store.tree(top);
  assert.deepEqual([...Deno.readDirSync(rootfs)].map(({ name }) => name).sort(), [
    "c",
    "etc",
    "top",
  ]);
});

Deno.test("importOci() reads gzip layers, no layers, and one layer twice", async () => {
  using world = new World();
  const { store, fixture } = world;
  const gzip = new Uint8Array(gzipSync(BASE));
  const config = { rootfs: { type: "layers", diff_ids: [digestOf(BASE), digestOf(BASE)] } };
  const image = await world.import(fixture.image([gzip, gzip], { config }));
  assert.equal(Deno.readTextFileSync(`${(await store.tree(image)).rootfs}/etc/a`), "a");
  const none = await world.import(fixture.image([]));
  assert.deepEqual([...Deno.readDirSync((await store.tree(none)).rootfs)], []);
});
