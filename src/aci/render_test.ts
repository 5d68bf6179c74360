import assert from "node:assert/strict";
import { directory, entry, hardlink, image, symlink } from "./testing/archive_fixture.ts";
import { readAci } from "./aci_reader.ts";
import { type ImageNode, layersOf, renderImage } from "./render.ts";
import { bytesSource } from "./bytes/source.ts";

const privileged = Deno.uid() === 0;

async function node(
  name: string,
  bytes: Uint8Array,
  dependencies: readonly ImageNode[] = [],
  pathWhitelist: readonly string[] = [],
): Promise<ImageNode> {
  const { imageId } = await readAci(bytesSource(name, bytes));
  return {
    id: imageId.slice(0, 7 + 64),
    open: () => bytesSource(name, bytes),
    pathWhitelist,
    dependencies,
  };
}

const plain = (id: string, dependencies: readonly ImageNode[] = []): ImageNode => ({
  id,
  open: () => bytesSource(id, new Uint8Array()),
  pathWhitelist: [],
  dependencies,
});

/** The rendered root as `path: content`, `path -> target` or `path/`; links by their number. */
async function rendered(top: ImageNode): Promise<string[]> {
  const target = await Deno.makeTempDir();
  try {
    await renderImage(top, target, { privileged });
    return list(`${target}/rootfs`, "").sort();
  } finally {
    await Deno.remove(target, { recursive: true });
  }
}

function list(root: string, below: string): string[] {
  return [...Deno.readDirSync(`${root}/${below}`)].flatMap(({ name }) => {
    const path = `${below}${name}`;
    const info = Deno.lstatSync(`${root}/${path}`);
    if (info.isDirectory) return [`${path}/`, ...list(root, `${path}/`)];
    if (info.isSymlink) return [`${path} -> ${Deno.readLinkSync(`${root}/${path}`)}`];
    const links = (info.nlink ?? 1) > 1 ? ` (${info.nlink})` : "";
    return [`${path}: ${Deno.readTextFileSync(`${root}/${path}`)}${links}`];
  });
}

const file = (path: string, content: string) => entry({ path: `rootfs/${path}` }, content);

Deno.test("layersOf() turns the spec's order round and drops repetitions", () => {
  const d = plain("D");
  const order = (top: ImageNode) => layersOf(top).map((layer) => layer.id).join("");
  assert.equal(order(plain("A", [plain("B"), plain("C", [d])])), "ACDB");
  assert.equal(order(plain("A", [plain("B", [d]), plain("C", [d])])), "ACDB");
});

Deno.test("layersOf() refuses a cycle, and copes with a tower of diamonds", () => {
  const dependencies: ImageNode[] = [];
  const a = plain("A", dependencies);
  dependencies.push(plain("B", [a]));
  assert.throws(() => layersOf(a), /image A depends on itself, by way of B/);
  let top = plain("base");
  for (let i = 0; i < 200; i++) {
    top = plain(`t${i}`, [plain(`l${i}`, [top]), plain(`r${i}`, [top])]);
  }
  assert.equal(layersOf(top).length, 601);
});

Deno.test("renderImage() lets the upper image win", async () => {
  const low = await node(
    "low",
    image(directory("rootfs/d"), file("d/a", "low"), file("d/b", "low")),
  );
  const top = await node("top", image(file("d/a", "top"), file("c", "top")), [low]);
  assert.deepEqual(await rendered(top), ["c: top", "d/", "d/a: top", "d/b: low"]);
});

Deno.test("renderImage() never follows a symlink as a parent, in either direction", async () => {
  const low = await node(
    "low",
    image(symlink("rootfs/l", "usr/l"), file("m/x", "low"), file("z", "low")),
  );
  const top = await node("top", image(file("l/f", "top"), symlink("rootfs/m", "/etc")), [low]);
  assert.deepEqual(await rendered(top), ["l/", "l/f: top", "m -> /etc", "z: low"]);
});

Deno.test("renderImage() gives a parent the mode of the image that lists it", async () => {
  const low = await node("low", image(directory("rootfs/d", { mode: 0o700 })));
  const top = await node("top", image(file("d/f", "")), [low]);
  const target = await Deno.makeTempDir();
  try {
    await renderImage(top, target, { privileged });
    assert.equal((Deno.statSync(`${target}/rootfs/d`).mode ?? 0) & 0o7777, 0o700);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
});

Deno.test("renderImage() filters by the image's own whitelist and by those above", async () => {
  const low = await node("low", image(directory("rootfs/d"), file("d/a", "low"), file("b", "low")));
  const middle = await node(
    "middle",
    image(file("m", "mid"), file("n", "mid"), file("b2", "mid")),
    [low],
    [
      "/m",
      "/b",
      "/b2",
    ],
  );
  assert.deepEqual(await rendered(middle), ["b2: mid", "b: low", "m: mid"]);
  const top = await node("top", image(directory("rootfs/e"), file("t", "top"), file("u", "top")), [
    middle,
  ], [
    "/t",
    "//m/",
    "/b",
  ]);
  assert.deepEqual(await rendered(top), ["b: low", "e/", "m: mid", "t: top"]);
});

Deno.test("renderImage() keeps hardlinks within an image", async () => {
  const low = await node("low", image(file("a", "low"), hardlink("rootfs/b", "rootfs/a")));
  const top = await node("top", image(file("c", "top")), [low]);
  assert.deepEqual(await rendered(top), ["a: low (2)", "b: low (2)", "c: top"]);
});

Deno.test("renderImage() gives a link its own image's content when the target is overridden", async () => {
  const low = await node(
    "low",
    image(
      file("a", "low"),
      hardlink("rootfs/b", "rootfs/a"),
      hardlink("rootfs/c", "rootfs/b"),
    ),
  );
  const top = await node("top", image(file("a", "top")), [low]);
  assert.deepEqual(await rendered(top), ["a: top", "b: low (2)", "c: low (2)"]);
});

Deno.test("renderImage() makes links to files of images below", async () => {
  const low = await node("low", image(file("a", "low"), file("x", "low")));
  const top = await node(
    "top",
    image(
      file("a", "top"),
      hardlink("rootfs/y", "rootfs/x"),
    ),
    [low],
  );
  assert.deepEqual(await rendered(top), ["a: top", "x: low (2)", "y: low (2)"]);
  const middle = await node("middle", image(hardlink("rootfs/b", "rootfs/a")), [low]);
  const over = await node("over", image(file("a", "over"), file("b/c", "over")), [middle]);
  assert.deepEqual(await rendered(over), ["a: over", "b/", "b/c: over", "x: low"]);
  const over2 = await node("over2", image(file("a", "over")), [middle]);
  assert.deepEqual(await rendered(over2), ["a: over", "b: low", "x: low"]);
});

Deno.test("renderImage() makes a whitelisted link whose target the whitelist leaves out", async () => {
  const top = await node("top", image(file("a", "content"), hardlink("rootfs/b", "rootfs/a")), [], [
    "/b",
  ]);
  assert.deepEqual(await rendered(top), ["b: content"]);
});

Deno.test("renderImage() refuses a damaged image and a link to nowhere", async () => {
  const good = await node("good", image(file("a", "x")));
  await assert.rejects(
    rendered({ ...good, id: "sha512-00" }),
    /good: damaged: its image ID is sha512-[0-9a-f]{128}, not sha512-00/,
  );
  const lost = await node("lost", image(hardlink("rootfs/b", "rootfs/a")));
  await assert.rejects(
    rendered(lost),
    /lost: entry "rootfs\/b" .* hardlink to "rootfs\/a", which is missing or a directory/,
  );
});

Deno.test("renderImage() takes only the top image's manifest", async () => {
  const low = await node("low", image());
  const top = await node("top", image(file("a", "")), [low]);
  const target = await Deno.makeTempDir();
  try {
    const { manifestText } = await renderImage(top, target, { privileged });
    assert.equal(Deno.readTextFileSync(`${target}/manifest`), manifestText);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
});
