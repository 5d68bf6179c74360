/** What is done with an image takes no more memory because it has many files. */
import assert from "node:assert/strict";
import { entry, joined, MANIFEST_TEXT } from "../../src/aci/testing/archive_fixture.ts";
import { ARCHIVE_END } from "../../src/aci/tar/tar_writer.ts";
import { BlobFixture } from "../../src/oci/testing/layout_fixture.ts";
import { peakMemory } from "../world/peak_memory.ts";
import { World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

const FILES = 100_000;
/** MB, as for images of large files. */
const BOUND = 150;

let world: World;
const path = (name: string) => `${world.dir}/${name}`;

/** A tar of many small files below a directory, with what stands in front of them. */
function tar(below: string, ...first: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const files = Array.from({ length: FILES }, (_, i) => {
    const name = `${below}usr/share/package-${Math.floor(i / 50)}/file-with-a-usual-name-${i}.txt`;
    return entry({ path: name }, `${i}`.repeat(20));
  });
  return joined(...first, ...files, ARCHIVE_END);
}

Deno.test.beforeAll(async () => {
  world = await World.make("indexed");
  const fixture = new BlobFixture();
  await fixture.writeLayout(path("layout"), [fixture.image([tar("")])]);
  const manifest = entry({ path: "manifest" }, MANIFEST_TEXT);
  Deno.writeFileSync(
    path("many.aci"),
    tar("rootfs/", manifest, entry({ kind: "directory", path: "rootfs" })),
  );
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

for (
  const words of [
    ["fetch", "oci:DIR/layout"],
    ["fetch", "DIR/many.aci"],
    ["image", "verify", "OCI"],
    ["image", "export", "OCI", "DIR/out.aci"],
  ]
) {
  Deno.test(`${words.join(" ")} of ${FILES} files takes at most ${BOUND} MB of memory`, async () => {
    const args = [];
    for (const word of words) {
      args.push(word === "OCI" ? await ociImage() : word.replace("DIR", world.dir));
    }
    const megabytes = await peakMemory(
      RKT,
      `--dir=${world.dataDir}`,
      "--insecure-options=image",
      ...args,
    );
    assert.ok(megabytes > 20, `${megabytes} MB can't be right`);
    assert.ok(megabytes <= BOUND, `${megabytes} MB`);
  });
}

async function ociImage(): Promise<string> {
  const { stdout } = await world.rkt("image", "list", "--full", "--no-legend", "--format=json");
  const found = JSON.parse(stdout).find(({ id }: { id: string }) => id.startsWith("sha256"));
  assert.ok(found, stdout);
  return found.id;
}
