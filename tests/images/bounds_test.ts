/** What a few bytes of somebody's may cost. */
import assert from "node:assert/strict";
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
async function fetchIntoLittle(world: FetchWorld, what: string) {
  Deno.mkdirSync(world.data, { recursive: true });
  const mounts =
    `mount --bind "$0" /etc/hosts && mount -t tmpfs -o size=160M none "$1" && shift && exec "$@"`;
  const { code, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["-m", "sh", "-c", mounts, world.site.hostsFile, world.data, RKT, `--dir=${world.data}`],
      ...[`--local-config=${world.etc}`, `--system-config=${world.lib}`],
      ...[`--ca-file=${world.site.caFile}`, "fetch", what],
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
  Deno.writeFileSync(`${dir}/rootfs/zeros`, new Uint8Array(400 << 20));
  const file = `${world.directory}/large.aci`;
  succeed("tar", "-C", dir, "-czf", file, "manifest", "rootfs");
  Deno.removeSync(dir, { recursive: true });
  const script =
    `mount -t tmpfs -o size=404M none "$0" && { dd if=/dev/zero of="$0/others" bs=1M count=5 status=none; "$@"
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
