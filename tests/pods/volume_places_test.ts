/** Where volumes are mounted: links of the image, volumes in volumes, and in the place of what rkt itself mounts. */
import assert from "node:assert/strict";
import { architectureLabel } from "../../src/appc/label.ts";
import { mountsBelow, World } from "../world/pod_world.ts";

const LINKS = "example.com/links";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  const links: readonly (readonly [path: string, target: string])[] = [
    ["etc/localtime", "../usr/share/zoneinfo/UTC"], // dangling, with parents that are missing too
    ["absolute", "/var/lib/app"],
    ["out", "../../../../../../srv/made"],
    ["data", "mnt/data"],
    ["to-proc", "/proc/self"],
    ["to-root", "/"],
    ["to-sys", "sys"],
    ["around", "circle"],
    ["circle", "around"],
  ];
  for (const [path, target] of links) Deno.symlinkSync(target, `${world.root}/${path}`);
  const manifest = {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: LINKS,
    labels: [
      { name: "os", value: "linux" },
      { name: "arch", value: architectureLabel(Deno.build.arch) },
    ],
    app: {
      exec: ["/bin/sh"],
      user: "0",
      group: "0",
      mountPoints: [{ name: "relative", path: "srv/../srv/relative" }],
    },
  };
  Deno.writeTextFileSync(`${world.dir}/links.json`, JSON.stringify(manifest));
  const file = await world.build("links.aci", ["--manifest", `${world.dir}/links.json`]);
  const fetched = await world.rkt("--insecure-options=image", "fetch", file);
  assert.equal(fetched.code, 0, fetched.stderr);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

let made = 0;

/** A new directory of the host with a file in it. */
function source(text: string): string {
  const path = `${world.dir}/source-${made++}`;
  Deno.mkdirSync(path);
  Deno.writeTextFileSync(`${path}/file`, text);
  return path;
}

/** Runs a script with volumes at targets, twice: the second start may be a repeated one. */
async function run(
  script: string,
  volumes: readonly (readonly [source: string, target: string])[],
  ...more: string[]
) {
  const flags = volumes.flatMap(([source, target], i) => [
    `--volume=v${i},kind=host,source=${source}`,
    `--mount=volume=v${i},target=${target}`,
  ]);
  const words = ["run", "--net=none", ...flags, ...more, LINKS, "--", "-c", script];
  const first = await world.rkt(...words);
  const again = await world.rkt(...words);
  assert.deepEqual([again.code, again.stdout], [first.code, first.stdout], again.stderr);
  return first;
}

Deno.test("a volume is mounted where links of the image lead, and what is missing there is made", async () => {
  const path = source("host\n");
  const cases: readonly (readonly [source: string, target: string, script: string])[] = [
    [`${path}/file`, "/etc/localtime", "cat /etc/localtime /usr/share/zoneinfo/UTC"],
    [path, "/absolute", "cat /absolute/file /var/lib/app/file"],
    [path, "/absolute/deep", "cat /absolute/deep/file /var/lib/app/deep/file"],
    [path, "/out", "cat /out/file /srv/made/file"],
    [`${path}/file`, "/data/file", "cat /data/file /mnt/data/file"],
  ];
  for (const [from, target, script] of cases) {
    const { code, stdout, stderr } = await run(script, [[from, target]]);
    assert.deepEqual([code, stdout], [0, "host\nhost\n"], `${target}: ${stderr}`);
  }
  assert.deepEqual(mountsBelow(path), []);
});

Deno.test("volumes are mounted in volumes, in whatever order they are given", async () => {
  for (const order of [0, 1]) {
    const [outer, inner] = [source("outer\n"), source("inner\n")];
    Deno.mkdirSync(`${outer}/there`);
    for (const below of ["there", "made/by/rkt"]) {
      const volumes = [[outer, "/data"], [inner, `/mnt/data/${below}`]] as const;
      const { code, stdout, stderr } = await run(
        `cat /data/file /data/${below}/file`,
        order === 0 ? volumes : volumes.toReversed(),
      );
      assert.deepEqual([code, stdout], [0, "outer\ninner\n"], stderr);
    }
    // What is missing is made in the outer volume, as a mount needs it.
    assert.deepEqual([...Deno.readDirSync(`${outer}/made/by/rkt`)], []);
  }
});

Deno.test("a volume in a volume follows no link there, and removes nothing", async () => {
  const [outer, inner, other] = [source("outer\n"), source("inner\n"), source("other\n")];
  Deno.symlinkSync(other, `${outer}/link`);
  Deno.symlinkSync("/etc", `${outer}/etc`);
  for (const below of ["link", "link/x", "etc", "file/x", "file"]) {
    const { code, stderr } = await run("true", [[outer, "/data"], [inner, `/data/${below}`]]);
    assert.equal(code, 254, below);
    assert.match(stderr, /^stage1: open \/(mnt\/)?data\/\S+ in app "links": E(LOOP|NOTDIR) .*\n$/i);
  }
  assert.deepEqual([...Deno.readDirSync(other)].map(({ name }) => name), ["file"]);
  assert.equal(Deno.readTextFileSync(`${outer}/file`), "outer\n");
});

Deno.test("the host's /sys, /dev and /sys/fs/cgroup are volumes in the place of rkt's own mounts", async () => {
  const inode = (path: string) => `${Deno.statSync(path).dev} ${Deno.statSync(path).ino}`;
  const stat = (path: string) => `stat -L -c '%d %i' ${path}`;
  for (const users of [[], ["--private-users"]]) {
    for (const path of ["/sys", "/dev", "/sys/fs/cgroup", "/to-sys"]) {
      const from = path === "/to-sys" ? "/sys" : path;
      const { code, stdout, stderr } = await run(stat(path), [[from, path]], ...users);
      assert.equal(code, 0, stderr);
      assert.equal(stdout, `${inode(from)}\n`, path);
    }
  }
  const both = await run(
    `${stat("/sys/fs/cgroup")}; echo x >/dev/null; ls /sys/kernel | grep -c .`,
    [
      ["/sys", "/sys"],
      ["/sys/fs/cgroup", "/sys/fs/cgroup"],
      ["/dev", "/dev"],
    ],
  );
  assert.equal(both.stdout.split("\n")[0], inode("/sys/fs/cgroup"), both.stderr);
  const tty = await world.rkt(
    "run",
    "--net=none",
    "--volume=dev,kind=host,source=/dev",
    "--mount=volume=dev,target=/dev",
    LINKS,
    "--stdin=tty",
  );
  assert.match(
    tty.stderr,
    /^run: app "links": a stream that is a terminal, and the volume "dev" at \/dev, /,
  );
});

Deno.test("targets are meant from the root on, and .. by its words", async () => {
  const path = source("host\n");
  for (const target of ["made", "./made", "/srv/../made", "../../made", "srv/x/../../made/"]) {
    const { code, stdout, stderr } = await run("cat /made/file", [[path, target]]);
    assert.deepEqual([code, stdout], [0, "host\n"], `${target}: ${stderr}`);
  }
  const point = await world.rkt(
    ...["run", "--net=none", `--volume=relative,kind=host,source=${path}`, LINKS],
    ...["--", "-c", "cat /srv/relative/file"],
  );
  assert.deepEqual([point.code, point.stdout], [0, "host\n"], point.stderr);
});

Deno.test("a source or target that can't be had is told with the part that is missing", async () => {
  const path = source("host\n");
  Deno.symlinkSync("nothing", `${path}/dangling`);
  const cases: readonly (readonly [source: string, target: string, message: RegExp])[] = [
    [`${path}/no`, "/v", /there is no \S+\/no on the host; make it/],
    [
      `${path}/no/such/dir`,
      "/v",
      /there is no \S+\/no on the host, a parent of \S+\/no\/such\/dir; make it/,
    ],
    [
      `${path}/file/x`,
      "/v",
      /on the host, \S+\/file, a parent of \S+\/file\/x, is not a directory;/,
    ],
    [`${path}/dangling`, "/v", /on the host, \S+\/dangling is a link that leads nowhere/],
    [
      path,
      "/etc/passwd/x",
      /^stage1: open \/etc\/passwd in app .*ENOTDIR .*volume "v0" cannot be mounted at \/etc\/passwd\/x/,
    ],
    [path, "/", /no volume can be mounted on \/; rkt itself provides it/],
    [path, "/to-root", /no volume can be mounted on \/to-root, which leads to \/; rkt itself/],
    [path, "/proc", /no volume can be mounted on \/proc; rkt itself/],
    [path, "/proc/sys", /no volume can be mounted on \/proc\/sys; rkt itself/],
    [
      path,
      "/to-proc/attr",
      /no volume can be mounted on \/to-proc\/attr, which leads to \/proc\/self\/attr; rkt/,
    ],
    [path, "/around/x", /the mount target \/around\/x is a circle of links/],
  ];
  for (const [from, target, message] of cases) {
    const { code, stderr } = await run("true", [[from, target]]);
    assert.equal(code, 254, target);
    assert.match(stderr, message);
    assert.equal(stderr.split("\n").length, 2, stderr);
  }
  const twice = await run("true", [[path, "/data"], [path, "/mnt/data"]]);
  assert.match(
    twice.stderr,
    /the volumes "v0" and "v1" are both to be mounted at \/mnt\/data, where \/data and \/mnt\/data lead/,
  );
});
