import assert from "node:assert/strict";
import { parseImageId, storeKey } from "../appc/image_id.ts";
import { parseImageManifest } from "../appc/image_manifest.ts";
import { imageGraph } from "./image_graph.ts";
import type { ImageQuery, ImageStore, StoredImage } from "./stored_image.ts";

/** Images by name, each with the names of those that it depends on; how often each was looked for. */
function images(below: Readonly<Record<string, readonly string[]>>) {
  const asked = new Map<string, number>();
  const all = new Map(
    Object.entries(below).map(([name, dependencies], i): [string, StoredImage] => {
      const manifestText = JSON.stringify({
        acKind: "ImageManifest",
        acVersion: "0.8.11",
        name,
        dependencies: dependencies.map((imageName) => ({ imageName })),
      });
      const key = storeKey(parseImageId(`sha512-${`${i}`.padStart(128, "0").slice(-128)}`));
      const half = `sha512-${`${i}`.padStart(64, "0")}` as unknown as typeof key;
      const manifest = parseImageManifest(manifestText);
      return [name, { key: half, manifestText, manifest, blobPath: `/blob/${name}` }];
    }),
  );
  const resolve = (query: ImageQuery) => {
    const name = "id" in query ? "" : query.name;
    asked.set(name, (asked.get(name) ?? 0) + 1);
    return Promise.resolve(all.get(name));
  };
  const unused = () => assert.fail("a graph needs nothing else of a store");
  const store: ImageStore = {
    dataDir: "/data",
    resolve,
    read: unused,
    renderedTree: unused,
    prepareLock: unused,
    collectLock: unused,
    skeleton: unused,
  };
  const image = (name: string) => all.get(name) ?? assert.fail(name);
  const names = new Map([...all].map(([name, { key }]) => [key, name]));
  return { store, image, asked, nameOf: (key: StoredImage["key"]) => names.get(key) };
}

Deno.test("imageGraph() visits each image once, however many others need it", async () => {
  const levels = 200;
  const below: Record<string, string[]> = { "a0": [], "b0": [] };
  for (let i = 1; i < levels; i++) {
    for (const side of ["a", "b"]) below[`${side}${i}`] = [`a${i - 1}`, `b${i - 1}`];
  }
  const { store, image, asked } = images(below);
  const { node, keys } = await imageGraph(store, image(`a${levels - 1}`));
  assert.equal(keys.length, 1 + 2 + 4 * (levels - 2));
  assert.deepEqual(new Set(asked.values()), new Set([1]));
  assert.equal(node.dependencies[0]?.dependencies[0], node.dependencies[1]?.dependencies[0]);
});

Deno.test("imageGraph() has a key for each time that an image is needed, so different graphs have different keys", async () => {
  const { store, image, nameOf } = images({
    top: ["left", "right"],
    left: ["base"],
    right: ["base"],
    base: ["below"],
    below: [],
    other: ["left", "right2"],
    right2: [],
  });
  const names = async (name: string) => (await imageGraph(store, image(name))).keys.map(nameOf);
  assert.deepEqual(await names("top"), ["top", "right", "base", "below", "left", "base"]);
  assert.deepEqual(await names("other"), ["other", "right2", "left", "base", "below"]);
});

Deno.test("imageGraph() goes down chains, as long as the number of images has a bound", async () => {
  const chain = (length: number) =>
    images(Object.fromEntries(
      Array.from({ length }, (_, i) => [`i${i}`, i + 1 < length ? [`i${i + 1}`] : []]),
    ));
  for (const length of [1, 2, 33, 50, 1000]) {
    const { store, image } = chain(length);
    assert.equal((await imageGraph(store, image("i0"))).keys.length, length);
  }
  const { store, image } = chain(1001);
  await assert.rejects(imageGraph(store, image("i0")), /image "i0" depends on over 1000 images/);
  const wide = images({
    top: Array.from({ length: 1000 }, (_, i) => `w${i}`),
    ...Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`w${i}`, []])),
  });
  await assert.rejects(imageGraph(wide.store, wide.image("top")), /over 1000 images/);
});

Deno.test("imageGraph() names an image that can be reached from itself", async () => {
  for (
    const [below, name] of [
      [{ a: ["a"] }, "a"],
      [{ a: ["b"], b: ["a"] }, "a"],
      [{ a: ["b", "c"], b: ["c"], c: ["d"], d: ["b"] }, "c"],
    ] as const
  ) {
    const { store, image } = images(below);
    await assert.rejects(
      imageGraph(store, image("a")),
      new RegExp(`"${name}" .* depends on itself`),
    );
  }
});

Deno.test("imageGraph() refuses a dependency that is found under its ID, but has another name", async () => {
  const { store, image } = images({ top: ["base"], base: [], other: [] });
  const lying: ImageStore = { ...store, resolve: () => Promise.resolve(image("other")) };
  await assert.rejects(
    imageGraph(lying, image("top")),
    /^Failure: image "top" depends on "base.*", but that is "other"$/,
  );
});
