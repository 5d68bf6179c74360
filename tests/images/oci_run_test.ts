/** OCI images run as docker's users expect: what their configuration says, and what docker gives all of them. */
import assert from "node:assert/strict";
import { freePort } from "../../src/registry/testing/debian_registry.ts";
import { OciWorld } from "../world/oci_world.ts";
import { type Outcome, RKT, rkt } from "../world/rkt.ts";
import { keptStarts } from "../world/start_entries.ts";
import { until, within } from "../world/until.ts";

let world: OciWorld;
Deno.test.beforeAll(async () => {
  world = await OciWorld.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const run = (image: string, ...rest: string[]): Promise<Outcome> =>
  rkt(...world.words(image, ...rest));

async function output(image: string, ...rest: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(image, ...rest);
  assert.equal(code, 0, stderr);
  return stdout;
}

const SHELL = ["--config.cmd", "/bin/sh"];

Deno.test("arguments take the place of the command, behind the entrypoint", async () => {
  const image = await world.image("words", [
    ...["--config.entrypoint", "/bin/echo", "--config.entrypoint", "entry"],
    ...["--config.cmd", "default", "--config.cmd", "words"],
  ]);
  assert.equal(await output(image), "entry default words\n");
  assert.equal(await output(image, "--", "other", "a b"), "entry other a b\n");
  assert.equal(await output(image, "--exec=/bin/echo", "--", "x"), "x\n");
  const none = await run(await world.image("none", ["--clear", "config.cmd"]));
  assert.equal(none.code, 254);
  assert.match(none.stderr, /does not say what to run; say it with --exec/);
  assert.equal(await output("oci:" + world.layout + ":none", "--", "echo", "x"), "x\n");
});

Deno.test("users, groups, environment and working directory are those of the configuration", async () => {
  const image = await world.image("user", [
    ...SHELL,
    ...["--config.user", "app", "--config.env", "FOO=a=b", "--config.workingdir", "/work/dir"],
  ]);
  const script = "id; pwd; echo $FOO $HOME; ls -ld /work";
  const [id, pwd, env, work] = (await output(image, "--", "sh", "-c", script)).split("\n");
  assert.equal(id, "uid=100(app) gid=101(app) groups=101(app),102(extra)");
  assert.equal(pwd, "/work/dir");
  assert.equal(env, "a=b /home/app");
  assert.match(work ?? "", /^drwxr-xr-x .* root +root /);
  const converted = await world.rkt("image", "convert", "--full", "layout:user");
  assert.equal(converted.code, 0, converted.stderr);
  const aci = await output(converted.stdout.trim(), "--exec=/bin/pwd");
  assert.equal(aci, "/work/dir\n", "the working directory of the App Container Image");
  const numbers = await world.image("numbers", [...SHELL, "--config.user", "1234:5678"]);
  assert.match(await output(numbers, "--", "id"), /^uid=1234 gid=5678/);
  const number = await world.image("number", [...SHELL, "--config.user", "1234"]);
  assert.match(await output(number, "--", "id"), /^uid=1234 gid=0/);
  const group = await world.image("group", [...SHELL, "--config.user", "app:extra"]);
  assert.match(await output(group, "--", "id"), /^uid=100\(app\) gid=102\(extra\)/);
  // What flags say goes before; of the user that a flag names, the image's files say the rest.
  const flags = (...words: string[]) =>
    output(numbers, ...words, "--exec=/bin/busybox", "--", "id");
  const user = "uid=100(app) gid=101(app) groups=101(app),102(extra)\n";
  assert.equal(await flags("--user=app"), user);
  assert.equal(await flags("--user=100"), user);
  assert.match(await flags("--user=4321"), /^uid=4321 gid=0/);
  assert.match(await flags("--user=app", "--group=7"), /^uid=100\(app\) gid=7\b(?!.*102)/);
  assert.match(
    await flags("--user=app", "--group=app", "--supplementary-gids=9"),
    /gid=101.*\b9\b/,
  );
  const missing = await run(await world.image("missing", [...SHELL, "--config.user", "nobody"]));
  assert.match(missing.stderr, /there is no user "nobody" in the image/);
});

Deno.test("a volume begins with what the image has in its place, with owner and mode", async () => {
  const image = await world.image("volumes", [
    ...SHELL,
    ...["--config.volume", "/data", "--config.volume", "/empty", "--config.volume", "/new/one"],
    ...["--config.volume", "/data/inner"],
  ]);
  const script = "stat -c '%a %u %g' /data /empty /new/one; cat /data/file; readlink /data/link; " +
    "stat -c %h /data/hard; echo x > /data/file; grep -c ' /data ' /proc/mounts";
  assert.equal(
    await output(image, "--", "sh", "-c", script),
    "700 100 101\n2775 100 0\n755 0 0\nof the image\nfile\n2\n1\n",
  );
  // What one pod has written is not in the next one.
  assert.equal(await output(image, "--", "cat", "/data/file"), "of the image\n");
  const prepared = await world.rkt("prepare", "--quiet", image, "--", "cat", "/data/file");
  assert.equal(prepared.code, 0, prepared.stderr);
  const ran = await world.rkt("run-prepared", "--net=none", prepared.stdout.trim());
  assert.equal(ran.stdout, "of the image\n");
  const given = await run(
    `--volume=volume-data,kind=empty`,
    image,
    ...["--", "sh", "-c", "ls /data | wc -l"],
  );
  assert.equal(given.stdout.trim(), "0");
});

Deno.test("a start whose volumes begin with files of the image is repeated, each time with new volumes", async () => {
  const image = await world.image("refilled", [...SHELL, "--config.volume", "/data"]);
  const id = await world.rkt("fetch", "--full", image);
  assert.equal(id.code, 0, id.stderr);
  const script =
    "stat -c '%a %u %g' /data; cat /data/file; readlink /data/link; stat -c %h /data/hard; " +
    "echo changed > /data/file; touch /data/new; ls /data | wc -l";
  const start = () => output(id.stdout.trim(), "--", "sh", "-c", script);
  const expected = "700 100 101\nof the image\nfile\n2\n4\n";
  assert.equal(await start(), expected);
  const kept = keptStarts(world.world.dataDir);
  assert.notEqual(kept, "");
  for (let i = 0; i < 2; i++) assert.equal(await start(), expected);
  assert.equal(keptStarts(world.world.dataDir), kept, "the start is not repeated");
  const { stdout } = await world.rkt("list", "--full", "--no-legend");
  assert.match(stdout, /refilled/);
  // Users of a pod's own are others each time.
  const mapped = () => output("--private-users", id.stdout.trim(), "--", "sh", "-c", script);
  for (let i = 0; i < 2; i++) assert.equal(await mapped(), expected);
});

Deno.test("a pod has shared memory, a host name in /etc, and ports below 1024 for all users", async () => {
  const image = await world.image("defaults", [...SHELL, "--config.user", "app"]);
  const script = "touch /dev/shm/x && echo writable; " +
    '[ "$HOSTNAME" = "$(cat /etc/hostname)" ] && grep -c "$HOSTNAME" /etc/hosts; ' +
    "cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
  assert.equal(await output(image, "--", "sh", "-c", script), "writable\n1\n0\n");
  assert.match(await output(image, "--", "df", "-k", "/dev/shm"), / 65536 /);
  const small = await output("--shm-size=1Mi", image, "--", "df", "-k", "/dev/shm");
  assert.match(small, / 1024 /);
  const wrong = await run("--shm-size=1", image);
  assert.equal(wrong.code, 254);
  assert.match(wrong.stderr, /--shm-size: 1 is not from 4Ki/);
});

Deno.test("STOPSIGNAL asks the app to end", async () => {
  const image = await world.image("stop", [...SHELL, "--config.stopsignal", "SIGUSR2"]);
  const script = "trap 'echo asked; exit 7' USR2; trap 'exit 9' TERM; echo up; " +
    "while :; do sleep 0.1; done";
  const child = new Deno.Command(RKT, {
    args: world.words(image, "--", "sh", "-c", script),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const first = await within(reader.read(), 60, "the app");
  assert.equal(first.value, "up\n");
  child.kill("SIGTERM");
  const { code } = await within(child.status, 60, "its end");
  assert.equal(code, 7);
  await reader.cancel();
  await child.stderr.cancel();
});

Deno.test("rkt run docker://NAME --port=80-tcp:PORT: from a registry, from the store, and from the cache of starts", async () => {
  await world.image("web", [
    ...["--config.cmd", "/bin/httpd", "--config.cmd", "-f", "--config.cmd", "-h"],
    ...["--config.cmd", "/srv", "--config.exposedports", "80/tcp", "--config.user", "app"],
  ]);
  const name = await world.push("web", "team/web:1");
  const port = freePort();
  const args = [
    ...[`--dir=${world.world.dataDir}`, "--insecure-options=image,http", "run"],
    ...[`--port=80-tcp:${port}`, name],
  ];
  const child = new Deno.Command(RKT, { args, stdin: "null" }).spawn();
  const answered = async () => {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/plain`);
      return await answer.text() === "no program\n";
    } catch {
      return false;
    }
  };
  try {
    await until(answered, 60, "an answer");
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
  const list = await world.rkt("image", "list", "--no-legend", "--fields=id,name");
  assert.match(list.stdout, /^sha256-[0-9a-f]+\t+127\.0\.0\.1_\d+\/team\/web:1$/m);
});

Deno.test("a start of a registry's image is repeated, and no more when the tag has moved", async () => {
  await world.image("first", ["--config.cmd", "/bin/echo", "--config.cmd", "first"]);
  await world.image("second", ["--config.cmd", "/bin/echo", "--config.cmd", "second"]);
  const name = await world.push("first", "team/app:1");
  const kept = () => keptStarts(world.world.dataDir);
  assert.equal(await output(name), "first\n");
  assert.equal(await output(name), "first\n");
  const before = kept();
  assert.notEqual(before, "");
  assert.equal(await output(name), "first\n");
  assert.equal(kept(), before, "the start is not replayed");
  await world.push("second", "team/app:1");
  assert.equal(
    await output(name),
    "first\n",
    "what is in the store is good with --pull-policy=new",
  );
  const fetched = await world.rkt("fetch", name);
  assert.equal(fetched.code, 0, fetched.stderr);
  assert.equal(await output(name), "second\n");
  const updated = await output("--pull-policy=update", name);
  assert.equal(updated, "second\n");
  await world.endRegistry();
  assert.equal(await output(name), "second\n");
  assert.match((await run("--pull-policy=update", name)).stderr, /127\.0\.0\.1/);
  const removed = await world.rkt("image", "rm", name);
  assert.equal(removed.code, 0, removed.stderr);
  const gone = await run("--pull-policy=never", name);
  assert.equal(gone.code, 254);
  assert.match(gone.stderr, /is not in the store, and --pull-policy=never/);
});

Deno.test("an image that nobody signed is refused in a line that says what can be done; a digest pins it", async () => {
  const image = await world.image("pinned", ["--config.cmd", "/bin/echo", "--config.cmd", "pin"]);
  const strict = (image: string) => rkt(`--dir=${world.world.dataDir}`, "run", "--net=none", image);
  const { code, stderr } = await strict(image);
  assert.equal(code, 254);
  const [, digest = ""] = /^run: .*name it by its digest \(@(sha256:[0-9a-f]{64})\) or .*\n$/
    .exec(stderr) ?? [];
  assert.notEqual(digest, "", stderr);
  const pinned = await strict(`oci:${world.layout}:@${digest}`);
  assert.deepEqual([pinned.code, pinned.stdout], [0, "pin\n"], pinned.stderr);
  const other = await strict(`oci:${world.layout}:@${digest}0`);
  assert.equal(other.code, 254);
});
