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
