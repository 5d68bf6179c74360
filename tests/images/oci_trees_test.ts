/** Trees of OCI images are the same as those that umoci and podman make, whatever layers do; converted ones are, too. */
import assert from "node:assert/strict";
import { archive, directory, entry, symlink } from "../../src/aci/testing/archive_fixture.ts";
import { BlobFixture } from "../../src/oci/testing/layout_fixture.ts";
import { tool } from "../../src/oci/testing/tools.ts";
import { World } from "../world/pod_world.ts";
import { treeListing as listing } from "../world/tree_listing.ts";

const file = (path: string, text = "", fields = {}) => entry({ path, ...fields }, text);
const whiteout = (path: string) => entry({ path });
const hardlink = (path: string, link: string, fields = {}) =>
  entry({ kind: "hardlink", path, link, ...fields });

const ROOT = directory("./", { mode: 0o755, mtime: 77 });

/** Layers that do what layers can do; each tree is compared. */
const IMAGES: Readonly<Record<string, readonly Uint8Array<ArrayBuffer>[]>> = {
  "no layers": [],
  "plain": [
    archive(
      ROOT,
      directory("a", { mode: 0o1777, uid: 5, gid: 6, mtime: 100 }),
      file("a/suid", "x", { mode: 0o4755, uid: 7 }),
      file("a/empty"),
      symlink("a/link", "../../etc/passwd"),
      hardlink("a/hard", "a/suid", { mode: 0o4755, uid: 7 }),
      entry({ kind: "fifo", path: "a/fifo", mode: 0o620 }),
      entry({
        path: "a/attributes",
        xattrs: new Map([["user.mime", new TextEncoder().encode("text/plain")]]),
      }, "y"),
      file("deep/without/parents/x", "z", { mtime: 1 }),
      file("fraction", "f", { mtime: 981_173_106, mtimeNs: 789_012_345 }),
      file("big", "0123456789".repeat(50_000)),
    ),
  ],
  "whiteouts": [
    archive(
      ROOT,
      directory("keep"),
      file("keep/a", "1"),
      file("keep/b", "2"),
      directory("gone"),
      directory("gone/below"),
      file("gone/below/x"),
      file("both", "old"),
      symlink("dangling", "nowhere"),
    ),
    archive(
      directory("keep"),
      whiteout("keep/.wh.a"),
      whiteout(".wh.gone"),
      whiteout(".wh.dangling"),
      whiteout(".wh.never-there"),
      directory("other"),
    ),
    archive(file("gone", "again"), directory("keep"), file("keep/a", "3")),
  ],
  "opaque directories": [
    archive(ROOT, directory("opaque"), file("opaque/old"), directory("all"), file("all/x")),
    archive(
      directory("opaque", { mode: 0o700 }),
      whiteout("opaque/.wh..wh..opq"),
      file("opaque/new"),
      directory("all"),
      whiteout("all/.wh..wh..opq"),
      directory("other"),
    ),
  ],
  "replacements": [
    archive(
      ROOT,
      directory("dir"),
      file("dir/x"),
      file("file", "f"),
      symlink("link", "dir"),
      file("one", "1"),
      hardlink("two", "one"),
    ),
    archive(
      file("dir", "now a file"),
      directory("file"),
      file("file/y"),
      directory("link"),
      file("link/z"),
      file("one", "other"),
    ),
    archive(directory("link", { mode: 0o711, uid: 9 }), symlink("file", "/dir")),
  ],
  "60 layers": Array.from(
    { length: 60 },
    (_, i) =>
      archive(
        ROOT,
        file(`f${i}`, `${i}`),
        file("same", `${i}`),
        directory(`d${i % 7}`, { uid: i }),
      ),
  ),
};

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make("extracted");
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

async function ours(image: string, convert: boolean): Promise<string> {
  const to = `${world.dir}/tree-${crypto.randomUUID()}`;
  const id = await world.rkt("--insecure-options=image", "fetch", "--full", image);
  assert.equal(id.code, 0, id.stderr);
  let key = id.stdout.trim();
  assert.match(key, /^sha256-/);
  if (convert) {
    const converted = await world.rkt("image", "convert", "--full", key);
    assert.equal(converted.code, 0, converted.stderr);
    key = converted.stdout.trim();
    assert.match(key, /^sha512-/);
  } else {
    const verified = await world.rkt("image", "verify", key);
    assert.equal(verified.code, 0, verified.stderr);
  }
  const rendered = await world.rkt("image", "render", "--rootfs-only", "--special-files", key, to);
  assert.equal(rendered.code, 0, rendered.stderr);
  return to;
}

const PODMAN = ["--cgroup-manager=cgroupfs", "--runtime", "runc"];

for (const [name, layers] of Object.entries(IMAGES)) {
  Deno.test(`the tree of an image with ${name} is that of umoci and of podman`, async () => {
    const fixture = new BlobFixture();
    const layout = `${world.dir}/layout-${name.replaceAll(" ", "-")}`;
    const annotations = { "org.opencontainers.image.ref.name": "x" };
    await fixture.writeLayout(layout, [{ ...fixture.image(layers), annotations }]);
    const tree = await ours(`oci:${layout}:x`, false);
    const mine = await listing(tree);
    const converted = await ours(`oci:${layout}:x`, true);
    assert.deepEqual(await listing(converted), mine, "converted");
    const bundle = `${layout}.umoci`;
    await tool("umoci", ["unpack", "--image", `${layout}:x`, bundle]);
    assert.deepEqual(mine, await listing(`${bundle}/rootfs`), "umoci");
    if (layers.length === 0) return; // podman mounts layers
    const short = Deno.makeTempDirSync({ prefix: "rkt-" }); // podman takes 50 characters
    const storage = [`--root=${short}/a`, `--runroot=${short}/b`, "--storage-driver=vfs"];
    const podman = (...args: string[]) => tool("podman", [...storage, ...PODMAN, ...args]);
    const id = (await podman("pull", "-q", `oci:${layout}:x`)).trim();
    const mounted = (await podman("image", "mount", id)).trim();
    try {
      assert.deepEqual(mine, await listing(mounted), "podman");
    } finally {
      await podman("image", "umount", id);
      Deno.removeSync(short, { recursive: true });
    }
  });
}
