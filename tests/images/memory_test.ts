/** What is done with an image takes no more memory because the image is large. */
import assert from "node:assert/strict";
import { tool } from "../../src/oci/testing/tools.ts";
import { DebianRegistry } from "../../src/registry/testing/debian_registry.ts";
import { peakMemory } from "../world/peak_memory.ts";
import { World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

/** MB: more than the images have in all would show at once. */
const LAYER = 96;
const BOUND = 150;

let world: World;
let registry: DebianRegistry;
const path = (name: string) => `${world.dir}/${name}`;
Deno.test.beforeAll(async () => {
  world = await World.make("indexed");
  registry = await DebianRegistry.start({ directory: path("registry") });
  const script = `cd "$1"; mkdir one two aci aci/rootfs
    head -c 1000000 /dev/urandom > block
    for d in one two; do for i in 1 2 3 4 5 6 7 8; do
      i=0; while [ $i -lt $(($2 / 8)) ]; do cat block; echo $i; i=$((i + 1)); done > $d/file-$i-$RANDOM
    done; done
    mv one aci/rootfs/one; cp -al two aci/rootfs/two
    echo '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/big","labels":[
      {"name":"os","value":"linux"},{"name":"arch","value":"amd64"}]}' > aci/manifest
    tar -C aci -cf - manifest rootfs | gzip -1 > big.aci; mv aci/rootfs/one one`;
  await tool("bash", ["-c", script, "bash", world.dir, `${LAYER}`]);
  await tool("umoci", ["init", "--layout", path("layout")]);
  await tool("umoci", ["new", "--image", `${path("layout")}:big`]);
  for (const name of ["one", "two"]) {
    await tool("umoci", ["insert", "--image", `${path("layout")}:big`, path(name), `/${name}`]);
  }
});
Deno.test.afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const peak = (...args: readonly string[]) =>
  peakMemory(RKT, `--dir=${world.dataDir}`, "--insecure-options=image,http", ...args);

/**
 * In this order: each takes what the ones before have made. `OCI` and `ACI` stand for the newest image of the kind, `DIR/` for
 * the test's directory, `REGISTRY` for the registry.
 */
const COMMANDS: readonly (readonly [name: string, words: string])[] = [
  ["fetch of an OCI image", "fetch oci:DIR/layout:big"],
  ["fetch of an ACI", "fetch DIR/big.aci"],
  ["image verify", "image verify OCI ACI"],
  ["image export of an OCI image", "image export --format=oci-archive OCI DIR/big.tar"],
  ["image convert of an OCI image", "image convert OCI"],
  ["image convert of an archive", "image convert oci-archive:DIR/big.tar DIR/new.aci"],
  ["image convert of an ACI", "image convert DIR/big.aci docker-archive:DIR/docker.tar"],
  ["fetch of an archive", "fetch docker-archive:DIR/docker.tar"],
  ["image push", "image push OCI docker://REGISTRY/big:1"],
  ["fetch of a registry's image", "fetch docker://REGISTRY/big:1"],
  ["image extract", "image extract OCI DIR/extracted"],
];

async function words(text: string): Promise<string[]> {
  const [oci, aci] = text.includes("CI ") || text.endsWith("CI")
    ? [await key("sha256"), await key("sha512").catch(() => "")]
    : ["", ""];
  return text.split(" ").map((word) =>
    word === "OCI"
      ? oci
      : word === "ACI"
      ? aci
      : word.replace("DIR", world.dir).replace("REGISTRY", registry.host)
  );
}

/** The newest image whose ID begins so. */
async function key(prefix: string): Promise<string> {
  const { stdout } = await world.rkt("image", "list", "--full", "--no-legend", "--format=json");
  const found = JSON.parse(stdout).find(({ id }: { id: string }) => id.startsWith(prefix));
  assert.ok(found, stdout);
  return found.id;
}

for (const [name, text] of COMMANDS) {
  Deno.test(`${name} of ${2 * LAYER} MB takes at most ${BOUND} MB of memory`, async () => {
    const megabytes = await peak(...await words(text));
    assert.ok(megabytes > 20, `${megabytes} MB can't be right`);

    assert.ok(megabytes <= BOUND, `${megabytes} MB`);
  });
}
