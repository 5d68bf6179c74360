/** `rkt export`: the root of an app of an ended pod becomes an image, which can be fetched and run. */
import assert from "node:assert/strict";
import { BOX, list, podUuid, World } from "../world/pod_world.ts";
import { only } from "../world/nth.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Runs a script to its end, and returns the UUID of its pod. */
async function ended(script: string, ...flags: string[]): Promise<string> {
  const before = world.pods();
  const { code, stderr } = await world.run(script, ...flags);
  assert.equal(code, 0, stderr);
  return podUuid(only(world.pods().filter((each) => !before.includes(each))));
}

/** What tar tells of an image. */
async function members(file: string): Promise<string> {
  const { stdout } = await new Deno.Command("tar", { args: ["-tvf", file, "--numeric-owner"] })
    .output();
  return new TextDecoder().decode(stdout);
}

const CHANGES = "busybox rm /srv/plain; echo new > /srv/script; busybox mkdir /made; " +
  "echo text > /made/file; busybox ln /made/file /made/same; busybox ln -s file /made/link; " +
  "busybox chown -h 7:8 /made/link /made/file; busybox rm -r /private; mkfifo /made/fifo; " +
  "busybox nc -l -U /made/socket & sleep 0.2; test -S /made/socket; busybox kill %1; exit 0";

for (
  const kind of [[], ["--no-overlay"], ["--private-users"], ["--private-users", "--no-overlay"]]
) {
  const name = kind.join("");
  Deno.test(`an exported root is as it was left, and runs: ${name || "overlay"}`, async () => {
    const uuid = await ended(CHANGES, "--exec=/bin/sh", ...kind);
    const file = `${world.dir}/exported${name}.aci`;
    const exported = await world.rkt("export", uuid, file);
    assert.deepEqual([exported.stderr, exported.code], ["", 0]);
    assert.deepEqual([...Deno.readFileSync(file).subarray(0, 2)], [0x1f, 0x8b], "gzip");
    const shown = await members(file);
    assert.doesNotMatch(shown, /srv\/plain|rootfs\/private|socket/);
    assert.match(shown, /^-rw-r--r-- 7\/8 .* rootfs\/made\/file$/m);
    assert.match(shown, /^-.* 1234\/2345 .* rootfs\/srv\/owned$/m);
    assert.match(shown, /^d.* 0\/0 .* rootfs\/made$/m);
    assert.match(shown, /^h.* rootfs\/made\/same link to rootfs\/made\/file$/m);
    assert.match(shown, /^l.* 7\/8 .* rootfs\/made\/link -> file$/m);
    assert.match(shown, /^p.* rootfs\/made\/fifo$/m);

    const other = `--dir=${world.dir}/other${name}`;
    const fetched = await world.rkt(other, "--insecure-options=image", "fetch", "--full", file);
    assert.match(fetched.stdout, /^sha512-[0-9a-f]{64}\n$/);
    assert.ok(exported.stdout.startsWith(fetched.stdout.trim()));
    const run = await world.rkt(
      ...[other, "run", "--net=none", BOX, "--", "-c", "cat /srv/script /made/link; ls /srv"],
    );
    assert.equal(run.stdout, "new\ntext\nowned\nscript\n");
  });
}

Deno.test("export replaces a file only if asked to, and leaves nothing of one that failed", async () => {
  const uuid = await ended("true");
  const dir = Deno.makeTempDirSync({ dir: world.dir });
  Deno.writeTextFileSync(`${dir}/a.aci`, "old");
  const refused = await world.rkt("export", uuid, `${dir}/a.aci`);
  assert.equal(refused.code, 254);
  assert.match(refused.stderr, /^export: .*\/a\.aci: exists; --overwrite replaces it\n$/);
  assert.equal((await world.rkt("export", "--overwrite", uuid, `${dir}/a.aci`)).code, 0);
  assert.notEqual(Deno.readTextFileSync(`${dir}/a.aci`).slice(0, 3), "old");
  assert.deepEqual(list(dir), ["a.aci"]);
});

Deno.test("only what has ended can be exported, and of several apps one must be chosen", async () => {
  const before = world.pods();
  const file = `${world.dir}/never.aci`;
  await using _pod = await world.start("sleep 1000; true");
  const found = podUuid(only(world.pods().filter((each) => !before.includes(each))));
  const running = await world.rkt("export", found, file);
  assert.match(
    running.stderr,
    /^export: pod ".*" is running: only an exited one can be exported\n$/,
  );
  const prepared = (await world.rkt("prepare", BOX)).stdout.trim();
  const waiting = await world.rkt("export", prepared, file);
  assert.match(waiting.stderr, /is prepared: only an exited one/);
  assert.equal(waiting.code, 254);
  const app = (name: string) => [BOX, `--name=${name}`, "--", "-c", `echo ${name} > /srv/name`];
  const known = world.pods();
  await world.rkt("run", "--net=none", ...app("one"), "---", ...app("two"));
  const two = podUuid(only(world.pods().filter((each) => !known.includes(each))));
  const several = await world.rkt("export", two, file);
  assert.match(several.stderr, /several apps: one, two; say which with --app/);
  assert.equal((await world.rkt("export", "--app=two", two, file)).code, 0);
  assert.match(await members(file), /rootfs\/srv\/name/);
});

Deno.test("export keeps holes, and what is exported has them when it runs", async () => {
  const uuid = await ended(
    "busybox truncate -s 200G /large; echo end >> /large; exit 0",
    "--exec=/bin/sh",
  );
  const file = `${world.dir}/holes.aci`;
  const exported = await world.rkt("export", uuid, file, "--name=example.com/holes");
  assert.deepEqual([exported.stderr, exported.code], ["", 0]);
  assert.ok(Deno.statSync(file).size < 2 ** 25);
  const { code, stdout, stderr } = await world.rkt(
    ...["run", "--net=none", file, "--exec=/bin/sh", "--", "-c"],
    "stat -c %s /large; busybox tail -c 4 /large",
  );
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${200 * 2 ** 30 + 4}\nend\n`);
});
