/** What a few bytes of somebody's may cost. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { FetchWorld } from "../world/fetch_world.ts";
import { RKT } from "../world/rkt.ts";
import { succeed } from "../world/web_site.ts";

Deno.test("rkt fetch FILE with a bad signature writes nothing, however much is in the file", () => {
  using world = new FetchWorld();
  world.trust();
  const dir = `${world.directory}/bomb`;
  Deno.mkdirSync(`${dir}/rootfs`, { recursive: true });
  const manifest = { acKind: "ImageManifest", acVersion: "0.8.11", name: "example.com/app" };
  Deno.writeTextFileSync(`${dir}/manifest`, JSON.stringify(manifest));
  Deno.writeFileSync(`${dir}/rootfs/zeros`, new Uint8Array(32 << 20));
  const file = `${world.directory}/bomb.aci`;
  succeed("tar", "-C", dir, "-czf", file, "manifest", "rootfs");
  Deno.writeFileSync(`${file}.asc`, world.signature);
  // A store on a file system in which not a tenth of it has a place.
  const small = `mount -t tmpfs -o size=2M none "$0" && exec "$@"`;
  Deno.mkdirSync(world.data, { recursive: true });
  const flags = [
    `--dir=${world.data}`,
    `--local-config=${world.etc}`,
    `--system-config=${world.lib}`,
  ];
  const { code, stderr } = new Deno.Command("unshare", {
    args: ["-m", "sh", "-c", small, world.data, RKT, ...flags, "fetch", file],
  }).outputSync();
  assert.equal(code, 254);
  assert.match(new TextDecoder().decode(stderr), /these are not the bytes that key/);
});

/** A bomb: some kilobytes that unpack to 256 MiB. */
function bomb(world: FetchWorld, name: string, order: readonly string[]): Uint8Array<ArrayBuffer> {
  const dir = `${world.directory}/bomb`;
  Deno.mkdirSync(`${dir}/rootfs`, { recursive: true });
  const labels = [["version", "1.0"], ["os", "linux"], ["arch", architecture()]]
    .map(([name, value]) => ({ name, value }));
  const manifest = { acKind: "ImageManifest", acVersion: "0.8.11", name, labels };
  Deno.writeTextFileSync(`${dir}/manifest`, JSON.stringify(manifest));
  succeed("truncate", "-s", "256M", `${dir}/rootfs/zeros`);
  const file = `${world.directory}/bomb.aci`;
  succeed("tar", "-C", dir, "-czf", file, ...order);
  return Deno.readFileSync(file);
}

const architecture = () => Deno.build.arch === "aarch64" ? "aarch64" : "amd64";

/** Runs `rkt fetch` with a store on a file system of 160 MiB. */
async function fetchIntoLittle(world: FetchWorld, what: string, ...flags: string[]) {
  Deno.mkdirSync(world.data, { recursive: true });
  // Layers as they come: zeros that are compressed again would fit any disk.
  const asTar = 'mkdir -m 700 "$1/cas" && echo tar >"$1/cas/layer-format"';
  const mounts =
    `mount --bind "$0" /etc/hosts && mount -t tmpfs -o size=160M,mode=700 none "$1" && ${asTar} && shift && exec "$@"`;
  const { code, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["-m", "sh", "-c", mounts, world.site.hostsFile, world.data, RKT, `--dir=${world.data}`],
      ...[`--local-config=${world.etc}`, `--system-config=${world.lib}`],
      ...[`--ca-file=${world.site.caFile}`, ...flags, "fetch", what],
    ],
    env: { no_proxy: "*" },
  }).output();
  return { code, err: new TextDecoder().decode(stderr) };
}

for (const order of [["manifest", "rootfs"], ["rootfs", "manifest"]]) {
  Deno.test(`an image from the network is judged before it is unpacked: ${order.join()}`, async () => {
    using world = new FetchWorld();
    world.trust();
    const image = bomb(world, "example.com/bomb", order);
    // Somebody else's signature.
    world.serve("example.com/bomb", "1.0", image, world.signature);
    const url = world.url("example.com/bomb", "1.0");
    for (const what of ["example.com/bomb:1.0", url]) {
      const { code, err } = await fetchIntoLittle(world, what);
      assert.equal(code, 254, err);
      assert.match(err, /signature refused: these are not the bytes that key/, what);
    }
    // With the right one it is only too large for this disk, and fits on another.
    world.serve("example.com/bomb", "1.0", image);
    for (const what of ["example.com/bomb:1.0", url]) {
      const { code, err } = await fetchIntoLittle(world, what);
      assert.equal(code, 254, err);
      assert.match(err, /no space left below/, what);
      const good = await world.rkt("fetch", what);
      assert.equal(good.code, 0, good.err);
      assert.deepEqual(world.stored("tmp"), []);
      assert.deepEqual(
        world.stored("blob").map((path) => Deno.statSync(path).size >= 256 << 20),
        [true],
      );
      const verified = await world.rkt("image", "verify", "example.com/bomb:1.0");
      assert.equal(verified.code, 0, verified.err);
      Deno.removeSync(world.data, { recursive: true });
    }
  });
}

Deno.test("rkt fetch leaves a part of the disk to others", () => {
  using world = new FetchWorld();
  const dir = `${world.directory}/large`;
  Deno.mkdirSync(`${dir}/rootfs`, { recursive: true });
  const manifest = { acKind: "ImageManifest", acVersion: "0.8.11", name: "example.com/app" };
  Deno.writeTextFileSync(`${dir}/manifest`, JSON.stringify(manifest));
  Deno.writeFileSync(`${dir}/rootfs/zeros`, new Uint8Array(386 << 20));
  const file = `${world.directory}/large.aci`;
  succeed("tar", "-C", dir, "-czf", file, "manifest", "rootfs");
  Deno.removeSync(dir, { recursive: true });
  // There is room for the image, but not for a twentieth of the disk beside it.
  const script =
    `mount -t tmpfs -o size=407M none "$0" && { dd if=/dev/zero of="$0/others" bs=1M count=5 status=none; "$@"
    echo $? >&2; dd if=/dev/zero of="$0/others" bs=1M count=300 status=none && echo written; }`;
  Deno.mkdirSync(world.data, { recursive: true });
  const flags = [`--dir=${world.data}`, `--local-config=${world.etc}`, "--insecure-options=image"];
  const { stdout, stderr } = new Deno.Command("unshare", {
    args: ["-m", "sh", "-c", script, world.data, RKT, ...flags, "fetch", file],
  }).outputSync();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.match(err ?? "", /no space left below .*\n254\n/);
  assert.equal(out, "written\n");
});

/** A layout of OCI with one layer: 256 MiB of zeros behind gzip, so some 250 KB. */
function layoutOfZeros(dir: string, change: (layer: Uint8Array<ArrayBuffer>) => void): string {
  const digest = (bytes: Uint8Array<ArrayBuffer>) =>
    createHash("sha256").update(bytes).digest("hex");
  const root = `${dir}/layer`;
  Deno.mkdirSync(root, { recursive: true });
  succeed("truncate", "-s", "256M", `${root}/zeros`);
  succeed("tar", "-C", root, "-cf", `${dir}/layer.tar`, "zeros");
  const sum = digest(Deno.readFileSync(`${dir}/layer.tar`));
  succeed("gzip", "-f", `${dir}/layer.tar`);
  const layer = Deno.readFileSync(`${dir}/layer.tar.gz`);
  const layout = `${dir}/layout`;
  Deno.mkdirSync(`${layout}/blobs/sha256`, { recursive: true });
  const write = (bytes: Uint8Array<ArrayBuffer>, mediaType: string) => {
    const name = digest(bytes);
    Deno.writeFileSync(`${layout}/blobs/sha256/${name}`, bytes);
    return { mediaType, digest: `sha256:${name}`, size: bytes.length };
  };
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const described = write(layer, type("layer.v1.tar+gzip"));
  const config = write(
    json({
      architecture: architecture() === "aarch64" ? "arm64" : "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [`sha256:${sum}`] },
    }),
    type("config.v1+json"),
  );
  const mediaType = type("manifest.v1+json");
  const manifest = json({ schemaVersion: 2, mediaType, config, layers: [described] });
  const index = { schemaVersion: 2, manifests: [write(manifest, mediaType)] };
  Deno.writeTextFileSync(`${layout}/index.json`, JSON.stringify(index));
  Deno.writeTextFileSync(`${layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  change(layer);
  Deno.writeFileSync(`${layout}/blobs/${described.digest.replace(":", "/")}`, layer);
  return layout;
}

Deno.test("a layer is compared with its digest before much of it is unpacked; one that is too large for the disk, or for --max-size, leaves nothing", async () => {
  using world = new FetchWorld();
  const dir = `${world.directory}/oci`;
  // Of a gzip member: the time, which nothing but the digest notices.
  const changed = layoutOfZeros(`${dir}/changed`, (layer) => void (layer[4] = (layer[4] ?? 0) ^ 1));
  const refused = await fetchIntoLittle(world, `oci:${changed}`, "--insecure-options=image");
  assert.equal(refused.code, 254, refused.err);
  assert.match(refused.err, /its bytes have the digest/);
  const layout = layoutOfZeros(`${dir}/good`, () => {});
  const full = await fetchIntoLittle(world, `oci:${layout}`, "--insecure-options=image");
  assert.equal(full.code, 254, full.err);
  assert.match(full.err, /no space left below/);
  const flags = ["--insecure-options=image", "fetch", `oci:${layout}`];
  for (const [size, code] of [["200Mi", 254], ["300Mi", 0]] as const) {
    const limited = await world.rkt(`--max-size=${size}`, ...flags);
    assert.equal(limited.code, code, limited.err);
    if (code === 254) {
      assert.match(limited.err, /has more than the 209715200 bytes that --max-size allows/);
    }
    assert.deepEqual(world.stored("tmp"), []);
    const layers = [...world.stored("layer"), ...world.stored("compressedLayer")];
    assert.equal(layers.length, code === 0 ? 1 : 0);
  }
});

Deno.test("--max-size bounds images from files and from the network, and says what it is not", async () => {
  using world = new FetchWorld();
  world.trust();
  const image = bomb(world, "example.com/bomb", ["manifest", "rootfs"]);
  world.serve("example.com/bomb", "1.0", image);
  const file = `${world.directory}/bomb.aci`;
  for (const what of ["example.com/bomb:1.0", file]) {
    const flags = what === file ? ["--insecure-options=image"] : [];
    const refused = await world.rkt("--max-size=200Mi", ...flags, "fetch", what);
    assert.equal(refused.code, 254, refused.err);
    assert.match(refused.err, /has more than the 209715200 bytes that --max-size allows/);
    assert.deepEqual(world.stored("blob"), []);
    assert.deepEqual(world.stored("tmp"), []);
  }
  const unclear = await world.rkt("--max-size=much", "fetch", "example.com/bomb:1.0");
  assert.equal(unclear.code, 254);
  assert.match(unclear.err, /^fetch: --max-size: "much" is not a quantity like .*\n$/);
});
