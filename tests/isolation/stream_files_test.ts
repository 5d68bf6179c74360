/** Streams of the caller that are files: an app of root's adds to them, or reads them, and can do nothing else. */
import assert from "node:assert/strict";
import { BOX, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { runningPod } from "../world/running_pod.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  for (const [name, minor] of DEVICES) {
    const { success } = await new Deno.Command("mknod", {
      args: ["-m", "600", `${world.dir}/${name}`, "c", "1", minor],
    }).output();
    assert.ok(success);
  }
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Nodes like those in /dev: what is done to them harms nobody. */
const DEVICES = [["null", "3"], ["zero", "5"]] as const;

/** What root tries with the file that is stream N, by all names that the stream has. What works is said on stream 9. */
const attack = (fd: number) => `
  for f in /proc/self/fd/${fd} /dev/fd/${fd}; do
    if [ -p $f ] || [ $f -ef /dev/null ]; then continue; fi
    if [ -f $f ]; then
      (: > $f) 2>/dev/null && echo truncated ${fd} >&9
      (echo evil 1<> $f) 2>/dev/null && echo overwritten ${fd} >&9
      busybox truncate -s 0 $f 2>/dev/null && echo emptied ${fd} >&9
    fi
    busybox chmod 777 $f 2>/dev/null && echo made executable ${fd} >&9
    busybox chown 33 $f 2>/dev/null && echo given away ${fd} >&9
  done`;
const ATTACK = `exec 9> /told; ${attack(0)}; ${attack(1)}; ${attack(2)}; busybox cat /told;
  for i in 1 2 3; do echo out $i; echo err $i >&2; done; exec cat`;
const SAID = ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"];

/** Runs words of rkt's with files as its streams, in which something stands already. */
async function withFiles(
  redirection: string,
  words: readonly string[],
): Promise<{ code: number; out: string; err: string; input: string; mode: number }> {
  const [out, err, input] = ["out", "err", "in"].map((name) => `${world.dir}/${name}`);
  Deno.writeTextFileSync(`${out}`, "audit\n");
  Deno.writeTextFileSync(`${err}`, "audit of errors\n");
  Deno.writeTextFileSync(`${input}`, "first\nsecond\n", { mode: 0o600 });
  const { code } = await new Deno.Command("sh", {
    args: ["-c", `read -r line < ${input}; exec "$@" ${redirection}`, "sh", RKT, ...words],
    env: { OUT: `${out}`, ERR: `${err}`, IN: `${input}`, DIR: world.dir },
  }).output();
  for (const [name] of DEVICES) {
    const { mode, uid } = Deno.statSync(`${world.dir}/${name}`);
    assert.deepEqual([(mode ?? 0) & 0o7777, uid], [0o600, 0], `the device ${name}`);
  }
  const text = (path = "") => Deno.readTextFileSync(path);
  const mode = (Deno.statSync(`${input}`).mode ?? 0) & 0o7777;
  return { code, out: text(out), err: text(err), input: text(input), mode };
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

for (const users of [[], ["--private-users"]]) {
  Deno.test(`an app of root adds to the caller's files and changes nothing else ${users.join()}`, async () => {
    const words = [...world.flags, "run", "--net=none", ...users, BOX, "--", "-c", ATTACK];
    // The second time from what is kept of the first.
    for (let i = 0; i < 3; i++) {
      const two = await withFiles('>> "$OUT" 2>> "$ERR" < "$IN"', words);
      assert.equal(two.code, 0, two.err);
      assert.deepEqual(lines(two.out), ["audit", "out 1", "out 2", "out 3", "first", "second"]);
      assert.deepEqual(lines(two.err), ["audit of errors", "err 1", "err 2", "err 3"]);
      assert.deepEqual([two.input, two.mode], ["first\nsecond\n", 0o600]);
      const one = await withFiles('>> "$OUT" 2>&1 < "$DIR/null"', words);
      assert.equal(one.code, 0, one.out);
      // In the order in which they were written.
      assert.deepEqual(lines(one.out), ["audit", ...SAID]);
      const devices = await withFiles('> "$DIR/null" 2>> "$ERR" < "$DIR/zero"', [
        ...[...world.flags, "run", "--net=none", ...users, BOX, "--", "-c"],
        `${ATTACK.split("exec cat")[0]} busybox head -c 3 | wc -c >&2; cat /told >&2`,
      ]);
      assert.deepEqual(lines(devices.err), ["audit of errors", "err 1", "err 2", "err 3", "3"]);
      const none = await world.rkt(...words.slice(world.flags.length));
      assert.equal(none.stdout, "out 1\nout 2\nout 3\n");
    }
  });
}

Deno.test("the same of several apps, of a prepared pod, of an added app, and of what enters an app", async () => {
  const app = [BOX, "--name=a", "--", "-c", ATTACK];
  const several = await withFiles('>> "$OUT" 2>> "$ERR" < "$IN"', [
    ...[...world.flags, "run", "--net=none", ...app, "---", BOX, "--name=b", "--stdout=null"],
    ...["--stdin=null", "--", "-c", "echo more >&2"],
  ]);
  assert.equal(several.code, 0, several.err);
  assert.deepEqual(lines(several.out), [
    "audit",
    "out 1",
    "out 2",
    "out 3",
    "first",
    "second",
  ]);
  assert.deepEqual(lines(several.err).toSorted(), [
    "audit of errors",
    "err 1",
    "err 2",
    "err 3",
    "more",
  ]);
  const prepared = (await world.rkt("prepare", ...app)).stdout.trim();
  const later = await withFiles('>> "$OUT" 2>&1 < "$DIR/null"', [
    ...[...world.flags, "run-prepared", "--net=none", prepared],
  ]);
  assert.deepEqual(lines(later.out), ["audit", ...SAID]);

  const pod = world.spawn(`--dir=${world.dataDir}`, "app", "sandbox", "--net=none");
  const uuid = await runningPod(world, pod.pid);
  const streams = ["--stdin=inherit", "--stdout=inherit", "--stderr=inherit"];
  const added = await world.rkt("app", "add", uuid, BOX, "--name=a", ...streams, "--", ...[
    "-c",
    `${ATTACK.replace("exec cat", "cat")}; sleep 1000`,
  ]);
  assert.equal(added.code, 0, added.stderr);
  const started = await withFiles('>> "$OUT" 2>> "$ERR" < "$IN"', [
    ...[`--dir=${world.dataDir}`, "app", "start", uuid, "--app=a"],
  ]);
  assert.equal(started.code, 0, started.err);
  assert.equal(started.input, "first\nsecond\n");
  const entered = await withFiles('>> "$OUT" 2>> "$ERR" < "$IN"', [
    ...[`--dir=${world.dataDir}`, "enter", "--app=a", uuid, "/bin/sh", "-c", ATTACK],
  ]);
  assert.equal(entered.code, 0, entered.err);
  assert.deepEqual(lines(entered.out), ["audit", "out 1", "out 2", "out 3", "first", "second"]);
  assert.deepEqual(lines(entered.err), ["audit of errors", "err 1", "err 2", "err 3"]);
  assert.deepEqual([entered.input, entered.mode], ["first\nsecond\n", 0o600]);
  const both = await withFiles('>> "$OUT" 2>&1 < "$DIR/null"', [
    ...[
      `--dir=${world.dataDir}`,
      "enter",
      "--app=a",
      uuid,
      "/bin/sh",
      "-c",
      `${ATTACK.replace("exec cat", "cat")}; exit 7`,
    ],
  ]);
  assert.equal(both.code, 7, both.out);
  assert.deepEqual(lines(both.out), ["audit", ...SAID]);
  await pod.end();
});
