/** `rkt image bundle` and `rkt fetch --from-bundle`: images that come in a file, believed no more than from the network. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { FetchWorld } from "../world/fetch_world.ts";
import { RKT, rkt } from "../world/rkt.ts";

const world = new FetchWorld();
const dir = world.directory;
const keys = `--keys=${dir}/keys`;
const bundle = `${dir}/all.bundle`;
let base = "";
let app = "";

const ok = async (...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await rkt(...words);
  assert.equal(code, 0, `${words}: ${stderr}`);
  return stdout.trim();
};

Deno.test.beforeAll(async () => {
  await ok("key", "generate", keys, "Jo <jo@example.com>");
  base = testImage(dir, { name: "example.com/base", version: "1", shell: true });
  app = testImage(dir, {
    name: "example.com/top",
    version: "1",
    files: { "top": "it is here" },
    manifest: {
      dependencies: [{ imageName: "example.com/base" }],
      app: { exec: ["/bin/sh", "-c", "cat /top"], user: "0", group: "0" },
    },
  });
  await ok("image", "sign", keys, base, app);
  await ok("image", "bundle", keys, app, base, bundle);
});
Deno.test.afterAll(() => world[Symbol.dispose]());

/** Trusts the key that has signed. */
async function trust(): Promise<void> {
  const [fingerprint = ""] = (await ok("key", "list", keys, "--no-legend")).split("\t");
  Deno.writeTextFileSync(`${dir}/key.asc`, await ok("key", "export", keys, fingerprint));
  const { code, err } = await world.rkt(
    ...["trust", "--prefix=example.com", "--skip-fingerprint-review", `${dir}/key.asc`],
  );
  assert.equal(code, 0, err);
}

const stored = async () =>
  (await world.rkt("image", "list", "--fields=name", "--no-legend")).out.trim().split("\n")
    .map((line) => line.split(":")[0]).filter((name) => name !== "").sort();

Deno.test("a bundle has images, dependencies and signatures; it comes in as a file, a directory, a stream", async () => {
  assert.equal(
    await ok("image", "bundle", "--overwrite", keys, base, app, `${dir}/again`),
    `${dir}/again`,
  );
  assert.deepEqual(Deno.readFileSync(`${dir}/again`), Deno.readFileSync(bundle));
  const directory = `${dir}/unpacked`;
  Deno.mkdirSync(directory);
  new Deno.Command("tar", { args: ["-C", directory, "-xf", bundle] }).outputSync();
  for (const from of [bundle, directory]) {
    world.reset();
    await trust();
    const { code, out, err } = await world.rkt("fetch", `--from-bundle=${from}`);
    assert.equal(code, 0, err);
    assert.equal(out.trim().split("\n").length, 2);
    assert.deepEqual(await stored(), ["example.com/base", "example.com/top"]);
    const ran = await world.here("run", "--net=none", "example.com/top:1");
    assert.deepEqual([ran.code, ran.out], [0, "it is here"], ran.err);
  }
  const records = (await world.rkt("audit", "--no-legend")).out;
  assert.match(records, /fetched from .*verified by signature by/);
  world.reset();
  await trust();
  const script =
    '"$0" "--dir=$1" "--local-config=$2" "--system-config=$3" fetch --from-bundle=- <"$4"';
  const piped = await new Deno.Command("sh", {
    args: ["-c", script, RKT, world.data, world.etc, world.lib, bundle],
  }).output();
  assert.equal(piped.code, 0, new TextDecoder().decode(piped.stderr));
  assert.deepEqual(await stored(), ["example.com/base", "example.com/top"]);
  assert.match((await world.rkt("audit", "--no-legend")).out, /fetched from bundle -: \S+\.aci/);
});

Deno.test("the keys of a bundle are trusted by nobody who has not said so", async () => {
  world.reset();
  const { code, err } = await world.rkt("fetch", `--from-bundle=${bundle}`);
  assert.equal(code, 254);
  assert.match(err, /no key was added for example.com\/base: .*there is no terminal to ask on/);
  assert.match(err, /which is not trusted for this name/);
  // Files that are gone again are named by the bundle.
  assert.ok(err.includes(`tar -xf ${bundle} pubkeys.asc`), err);
  assert.ok(!err.includes(world.data), err);
  assert.deepEqual(await stored(), []);
});

Deno.test("OCI images travel in a bundle, too, signed as files; swapped ones are refused", async () => {
  const oci = `${dir}/web.tar`;
  await ok("image", "convert", "--overwrite", base, `oci-archive:${oci}`);
  await ok("image", "sign", "--overwrite", keys, oci);
  const both = `${dir}/both.bundle`;
  await ok("image", "bundle", "--overwrite", keys, base, `oci-archive:${oci}`, both);
  world.reset();
  await trust();
  const refused = await world.rkt("fetch", `--from-bundle=${both}`);
  assert.equal(refused.code, 254);
  assert.match(refused.err, /web\.oci: .*which is not trusted for this name/);
  assert.deepEqual(await stored(), ["example.com/base"]);
  const trusted = await world.rkt(
    ...["trust", "--prefix=web", "--skip-fingerprint-review", `${dir}/key.asc`],
  );
  assert.equal(trusted.code, 0, trusted.err);
  const fetched = await world.rkt("fetch", `--from-bundle=${both}`);
  assert.equal(fetched.code, 0, fetched.err);
  assert.deepEqual(await stored(), ["example.com/base", "web"]);
  // The signature of another file, and a byte that is another one.
  const changed = Deno.readFileSync(oci);
  changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1;
  const bad = `${dir}/bad.tar`;
  for (
    const [content, asc] of [[changed, `${oci}.asc`], [
      Deno.readFileSync(oci),
      `${base}.asc`,
    ]] as const
  ) {
    Deno.writeFileSync(bad, content);
    Deno.copyFileSync(asc, `${bad}.asc`);
    await ok("image", "bundle", "--overwrite", keys, `oci-archive:${bad}`, both);
    world.reset();
    await trust();
    await world.rkt("trust", "--prefix=bad", "--skip-fingerprint-review", `${dir}/key.asc`);
    const { code, err } = await world.rkt("fetch", `--from-bundle=${both}`);
    assert.equal(code, 254);
    assert.match(err, /bad\.oci: .*(signature|not the bytes)/);
    assert.deepEqual(await stored(), []);
  }
});

/** A bundle of these files, made by GNU tar. */
function made(...names: readonly string[]): string {
  const out = `${dir}/made.bundle`;
  const { success, stderr } = new Deno.Command("tar", {
    args: ["-C", `${dir}/parts`, "-cPf", out, ...names],
  }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return out;
}

Deno.test("a bundle with a swapped image, signature or key, or with anything else, is refused; nothing stays", async () => {
  world.reset();
  await trust();
  const parts = `${dir}/parts`;
  Deno.mkdirSync(`${parts}/images`, { recursive: true });
  const put = (name: string, content: Uint8Array) =>
    Deno.writeFileSync(`${parts}/${name}`, content);
  const read = (path: string) => Deno.readFileSync(path);
  const image = read(base);
  const signature = read(`${base}.asc`);
  const changed = image.slice();
  const middle = Math.floor(image.length / 2);
  changed[middle] = (changed[middle] ?? 0) ^ 1;
  put("images/a.aci", image);
  put("images/a.aci.asc", signature);
  put("images/changed.aci", changed);
  put("images/changed.aci.asc", signature);
  put("images/swapped.aci", image);
  put("images/swapped.aci.asc", read(`${app}.asc`));
  put("images/stranger.aci", image);
  put("images/stranger.aci.asc", world.gpg.sign(image, world.key));
  put("images/bare.aci", image);
  put("pubkeys.asc", world.gpg.export(world.key));
  put("other", image);
  Deno.symlinkSync("/etc/passwd", `${parts}/images/link.aci`);
  const pair = (name: string) => [`images/${name}.aci`, `images/${name}.aci.asc`];
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [pair("changed"), /signature|not the bytes/],
    [pair("swapped"), /signature|not the bytes/],
    [[...pair("stranger"), "pubkeys.asc"], /which is not trusted for this name/],
    [["images/bare.aci"], /no such file/],
    [[...pair("a"), "other"], /"other" has no place in a bundle of images/],
    [[...pair("a"), "images/link.aci"], /"images\/link.aci" has no place/],
    [[...pair("a"), "images/a.aci"], /"images\/a.aci" has no place/],
    [[...pair("a"), `${parts}/other`], /has no place/],
    [[...pair("a"), "images/../other"], /has no place/],
    [["pubkeys.asc"], /has no images in it/],
  ];
  for (const [names, why] of cases) {
    const { code, out, err } = await world.rkt("fetch", `--from-bundle=${made(...names)}`);
    assert.deepEqual([code, out], [254, ""], `${names}: ${err}`);
    assert.match(err, why, `${names}`);
    assert.deepEqual(await stored(), [], `${names}`);
  }
  const whole = read(bundle);
  for (const size of [0, 100, 5000, whole.length - 2000]) {
    const cut = `${dir}/cut.bundle`;
    Deno.writeFileSync(cut, whole.subarray(0, size));
    const { code } = await world.rkt("fetch", `--from-bundle=${cut}`);
    assert.equal(code, 254, `${size}`);
    assert.deepEqual(await stored(), [], `${size}`);
  }
  assert.deepEqual([...Deno.readDirSync(`${world.data}/cas/tmp`)], []);
  const unsigned = await rkt("image", "bundle", keys, `${parts}/images/bare.aci`, `${dir}/x`);
  assert.match(unsigned.stderr, /no such file; `rkt image sign` makes it/);
  const both = await world.rkt("fetch", `--from-bundle=${bundle}`, "example.com/app");
  assert.match(both.err, /--from-bundle names all images; give no IMAGE/);
  const lone = await rkt("image", "bundle", keys, app, `${dir}/lone`);
  assert.match(
    lone.stderr,
    /example.com\/top depends on example.com\/base, which is not in the bundle/,
  );
});
