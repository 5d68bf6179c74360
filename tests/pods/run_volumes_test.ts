/** Volumes: what an app sees of them, and what of it reaches the host. */
import assert from "node:assert/strict";
import { BOX, mountsBelow, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** A new directory of the host with a file in it. */
function source(name: string): string {
  const path = `${world.dir}/${name}`;
  Deno.mkdirSync(path);
  Deno.writeTextFileSync(`${path}/file`, "host\n");
  return path;
}

const host = (path: string, more = "") => `--volume=v,kind=host,source=${path}${more}`;
const at = (target: string) => `--mount=volume=v,target=${target}`;

Deno.test("a host volume is the host's directory, at a target that is made", async () => {
  const path = source("directory");
  const script = "cat /made/for/it/file; echo app > /made/for/it/new";
  assert.equal(await world.output(script, host(path), at("/made/for/it")), "host\n");
  assert.equal(Deno.readTextFileSync(`${path}/new`), "app\n");
});

Deno.test("a read-only volume can't be written to, nor be made writable", async () => {
  const path = source("read-only");
  const { code, stdout, stderr } = await world.run(
    "cat /v/file; echo app > /v/file; mount -o remount,rw,bind /v && echo REMOUNTED; exit 3",
    host(path, ",readOnly=true"),
    at("/v"),
  );
  assert.equal(code, 3);
  assert.equal(stdout, "host\n");
  assert.match(stderr, /\/v\/file: Read-only file system/);
  assert.equal(Deno.readTextFileSync(`${path}/file`), "host\n");
});

Deno.test("a file can be a volume, in the place of a file or of nothing", async () => {
  const path = source("file");
  for (const target of ["/srv/plain", "/made/file"]) {
    const script = `cat ${target}; echo app > ${target}`;
    assert.equal(await world.output(script, host(`${path}/file`), at(target)), "host\n");
    assert.equal(Deno.readTextFileSync(`${path}/file`), "app\n");
    Deno.writeTextFileSync(`${path}/file`, "host\n");
  }
});

Deno.test("a directory takes the place of a file of the image", async () => {
  const path = source("place");
  assert.equal(await world.output("cat /srv/plain/file", host(path), at("/srv/plain")), "host\n");
  assert.equal(await world.output("cat /srv/plain"), "no program\n");
});

Deno.test("what a volume covers is not seen", async () => {
  assert.equal(await world.output("ls /srv", host(source("cover")), at("/srv")), "file\n");
});

Deno.test("an empty volume has the mode and owner asked for, and the apps share it", async () => {
  const { code, stdout, stderr } = await world.rkt(
    "run",
    "--net=none",
    "--volume=v,kind=empty,mode=0711,uid=7,gid=8",
    at("/v"),
    BOX,
    "--name=first",
    "--",
    "-c",
    "stat -c '%a %u %g' /v; mkfifo /v/fifo.tmp; busybox mv /v/fifo.tmp /v/fifo; echo hello > /v/fifo",
    "---",
    BOX,
    "--name=second",
    "--",
    "-c",
    "while [ ! -e /v/fifo ]; do :; done; read word < /v/fifo; echo second $word",
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trim().split("\n").sort(), ["711 7 8", "second hello"]);
});

Deno.test("a mount point without a volume gets an empty one", async () => {
  const file = await world.build("points.aci", [
    "--name=example.com/points",
    "--exec=/bin/sh",
    "--mount=data,path=/data",
    "--mount=conf,path=/conf,readOnly=true",
  ]);
  const script = "ls -A /data /conf; touch /data/x && echo written; touch /conf/x || echo refused";
  const run = (...flags: string[]) =>
    world.rkt("--insecure-options=image", "run", "--net=none", ...flags, file, "--", "-c", script);
  const empty = await run();
  assert.equal(empty.stdout, "/conf:\n\n/data:\nwritten\nrefused\n", empty.stderr);
  const path = source("point");
  const given = await run(`--volume=data,kind=host,source=${path}`);
  assert.equal(given.stdout, "/conf:\n\n/data:\nfile\nwritten\nrefused\n", given.stderr);
  // What the volume says goes before what the mount point says.
  const writable = await run(`--volume=conf,kind=host,source=${path},readOnly=false`);
  assert.match(writable.stdout, /written\n$/);
});

/** Runs rkt where a tmpfs is mounted below a volume, in a mount namespace that ends with it. */
async function withMountBelow(path: string, volume: string, script: string) {
  Deno.mkdirSync(`${path}/below`);
  const prologue =
    `mount -t tmpfs none ${path}/below && echo deep > ${path}/below/file && exec "$@"`;
  const words = world.words(script, volume, at("/v"));
  const { stdout, stderr } = await new Deno.Command("unshare", {
    args: ["-m", "sh", "-c", prologue, "sh", RKT, ...words],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("mounts below a volume come with it, unless recursive=false", async () => {
  const script = "cat /v/below/file || echo none";
  const deep = source("recursive");
  assert.equal((await withMountBelow(deep, host(deep), script)).stdout, "deep\n");
  const flat = source("flat");
  const outcome = await withMountBelow(flat, host(flat, ",recursive=false"), script);
  assert.equal(outcome.stdout, "none\n");
});

Deno.test("read-only volumes are so as far down as they go", async () => {
  const path = source("deep");
  const script = "echo x > /v/below/file; cat /v/below/file";
  const outcome = await withMountBelow(path, host(path, ",readOnly=true"), script);
  assert.equal(outcome.stdout, "deep\n");
  assert.match(outcome.stderr, /\/v\/below\/file: Read-only file system/);
});

Deno.test("what the host mounts later does not reach the app, nor the other way round", async () => {
  const path = source("later");
  Deno.mkdirSync(`${path}/below`);
  const fifo = `${path}/fifo`;
  new Deno.Command("mkfifo", { args: [fifo] }).outputSync();
  const pod = await world.start(
    "read x < /v/fifo; ls -A /v/below; echo done",
    host(path),
    at("/v"),
  );
  const run = (program: string, ...args: string[]) =>
    new Deno.Command(program, { args }).outputSync();
  assert.ok(run("mount", "-t", "tmpfs", "none", `${path}/below`).success);
  try {
    Deno.writeTextFileSync(`${path}/below/later`, "");
    Deno.writeTextFileSync(fifo, "go\n");
    assert.equal(await pod.line(), "done");
  } finally {
    run("umount", `${path}/below`);
  }
  assert.equal((await pod.child.status).code, 0);
  assert.deepEqual(mountsBelow(world.dir), []);
});

Deno.test("a link of the image does not lead a volume out of its root", async () => {
  const root = `${world.dir}/links`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  Deno.copyFileSync(`${world.root}/bin/busybox`, `${root}/bin/busybox`);
  const outside = source("outside");
  Deno.symlinkSync(outside, `${root}/absolute`);
  Deno.symlinkSync("../../../../../../../..", `${root}/up`);
  const file = await world.build(
    "links.aci",
    ["--name=example.com/links", "--exec=/bin/busybox"],
    root,
  );
  const path = source("mounted");
  for (const target of ["/absolute/x", `/up${outside}`]) {
    const { code } = await world.rkt(
      "--insecure-options=image",
      "run",
      "--net=none",
      host(path),
      file,
      at(target),
      "--",
      "touch",
      `${target}/touched`,
    );
    assert.ok(code === 0 || code === 254, `${code}`);
    assert.deepEqual([...Deno.readDirSync(outside)].map(({ name }) => name), ["file"]);
    assert.deepEqual(mountsBelow(outside), []);
  }
});
