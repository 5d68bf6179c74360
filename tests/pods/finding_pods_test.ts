/** Finding pods: names, lists, files with UUIDs; ending them; what of their logs is shown. */
import assert from "node:assert/strict";
import { BOX, World } from "../world/pod_world.ts";
import { runningPod } from "../world/running_pod.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

Deno.test("a name that a running pod has is refused, one of an ended pod is free again", async () => {
  const pod = await world.start("sleep 1000", "--pod-name=web");
  const taken = await world.run("true", "--pod-name=web");
  assert.equal(taken.code, 254);
  assert.match(
    taken.stderr,
    /^run: --pod-name: pod "[0-9a-f-]{36}" is called "web" and runs; .*\n$/,
  );
  const prepared = await world.rkt("prepare", "--quiet", "--pod-name=web", BOX, "--", "-c", "true");
  const uuid = prepared.stdout.trim();
  const refused = await world.rkt("run-prepared", "--net=none", uuid);
  assert.match(refused.stderr, /^run-prepared: --pod-name: pod ".*" is called "web" and runs/);
  await pod.end();
  assert.equal((await world.rkt("run-prepared", "--net=none", uuid)).code, 0);
  // A start that was made before does not take the name either.
  for (let i = 0; i < 3; i++) assert.equal((await world.run("true", "--pod-name=web")).code, 0);
  const again = await world.start("sleep 1000", "--pod-name=web");
  assert.equal((await world.run("true", "--pod-name=web")).code, 254);
  await again.end();
});

Deno.test("of pods that want a name at the same time, one gets it", async () => {
  const prepared = await Promise.all(
    [1, 2].map(() =>
      world.rkt("prepare", "--quiet", "--pod-name=race", BOX, "--", "-c", "echo up; sleep 1000")
    ),
  );
  const words = [
    ...prepared.map(({ stdout }) => ["run-prepared", "--net=none", stdout.trim()]),
    ...Array.from({ length: 4 }, () => ["run", "--net=none", BOX, "--pod-name=race", "--", "-c"])
      .map((each) => [...each, "echo up; sleep 1000"]),
    [
      "run",
      "--net=none",
      "--no-overlay",
      BOX,
      "--pod-name=race",
      "--",
      "-c",
      "echo up; sleep 1000",
    ],
  ];
  const pods = words.map((each) => world.spawn(...world.flags, ...each));
  const lines = await Promise.all(pods.map((pod) => pod.line()));
  assert.deepEqual(lines.filter((line) => line !== undefined), ["up"]);
  for (const pod of pods.filter((_, i) => lines[i] === undefined)) {
    assert.equal((await pod.child.status).code, 254);
  }
  await pods.find((_, i) => lines[i] === "up")?.end();
  assert.equal((await world.run("true", "--pod-name=race")).code, 0);
});

Deno.test("stop kills what does not end in time, unless it is told not to", async () => {
  const pod = await world.start("trap '' TERM; sleep 1000", "--pod-name=stubborn");
  const left = await world.rkt("stop", "--timeout=1ms", "--no-kill", "stubborn");
  assert.equal(left.code, 254);
  assert.match(
    left.stderr,
    /^stop: pod ".*" has got SIGTERM, but has not ended after 0.001 s; without --no-kill it is killed\n/,
  );
  const stopped = await world.rkt("stop", "--timeout=1ms", "stubborn");
  assert.equal(stopped.code, 0, stopped.stderr);
  await pod.child.status;
  assert.match(
    (await world.rkt("stop", "--force", "--no-kill", "stubborn")).stderr,
    /exclude each other/,
  );
  const slow = await world.start("trap 'echo ended; exit 0' TERM; while :; do sleep 0.1; done");
  const uuid = await runningPod(world, slow.pid);
  assert.equal((await world.rkt("stop", "--force", "--timeout=20s", uuid)).code, 0);
  assert.equal(await slow.line(), "ended", "a time to end in is one, also with --force");
});

Deno.test("list shows the newest pods first, chosen by state, name, app and label; --full has exit statuses", async () => {
  const place = await World.make();
  try {
    const labelled = ["--user-label=tier=front", "--user-label=zone=a"];
    for (const [name, script, ...flags] of [["old", "exit 3"], ["new", "exit 0", ...labelled]]) {
      await place.run(script ?? "", `--pod-name=${name}`, "--name=app", ...flags);
    }
    const pod = await place.start("sleep 1000", "--name=running");
    const apps = async (...flags: string[]) => {
      const { code, stdout, stderr } = await place.rkt("list", "--no-legend", ...flags);
      assert.equal(code, 0, stderr);
      return stdout.trim().split("\n").filter((line) => line !== "").map((line) =>
        line.split(/\t+/).at(-1) || line.split(/\t+/)[1]
      );
    };
    const [, second, third] = await apps();
    assert.deepEqual([second, third], ["new", "old"]);
    assert.deepEqual(await apps("--state=exited", "--sort=name"), ["new", "old"]);
    assert.deepEqual(await apps("--filter=name=old"), ["old"]);
    assert.deepEqual(await apps("--filter=label=tier=front", "--filter=label=zone"), ["new"]);
    assert.deepEqual(await apps("--filter=label=tier=back"), []);
    assert.deepEqual(
      await apps(`--filter=image=${BOX}`, "--filter=app=app", "--state=exited,running"),
      ["new", "old"],
    );
    const full = await place.rkt("list", "--full", "--state=exited", "--sort=name");
    assert.match(
      full.stdout,
      /IMAGE ID\s+EXIT\s+STATE.*NAME\n\S+\tapp\t.*\t0\t+exited.*new\n\S+\tapp\t.*\t3\t+exited.*old\n$/,
    );
    for (
      const [flag, message] of [
        ["--state=dead", /^list: --state: there is no state "dead"; there are embryo, /],
        [
          "--filter=colour=red",
          /^list: --filter: "colour=red" is not of the form KEY=VALUE with one of name, app/,
        ],
        ["--sort=age", /^list: --sort: "age" is not one of created/],
      ] as const
    ) {
      const { code, stderr } = await place.rkt("list", flag);
      assert.equal(code, 254);
      assert.match(stderr, message);
    }
    await pod.end();
  } finally {
    await place[Symbol.asyncDispose]();
  }
});

Deno.test("logs --tail and --until show a part", async () => {
  const file = `${world.dir}/logged`;
  const script = "for i in 1 2 3 4 5; do echo line $i; done; echo -n rest";
  assert.equal((await world.run(script, "--stdout=log", `--uuid-file-save=${file}`)).code, 0);
  const logs = async (...flags: string[]) => {
    const { code, stdout, stderr } = await world.rkt("logs", `--uuid-file=${file}`, ...flags);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  assert.equal(await logs(), "line 1\nline 2\nline 3\nline 4\nline 5\nrest");
  assert.equal(await logs("--tail=2"), "line 5\nrest\n");
  assert.equal(await logs("--tail=2", "--follow"), "line 4\nline 5\nrest\n");
  assert.equal(await logs("--tail=0"), "");
  assert.equal(await logs("--until=1h"), "");
  assert.equal(
    await logs("--until=0", "--tail=100"),
    "line 1\nline 2\nline 3\nline 4\nline 5\nrest\n",
  );
});

Deno.test("every command that takes a pod reads its UUID from a file", async () => {
  const file = `${world.dir}/of-file`;
  const flag = `--uuid-file=${file}`;
  const running = await world.start("echo one > /one; sleep 1000", `--uuid-file-save=${file}`);
  const entered = await world.rkt(
    "enter",
    flag,
    "/bin/sh",
    "-c",
    "echo $0 $#; cat /one",
    "a",
    "-b",
  );
  assert.equal(entered.stdout, "a 1\none\n", entered.stderr);
  const executed = await world.rkt("app", "exec", flag, "/bin/cat", "/one");
  assert.equal(executed.stdout, "one\n", executed.stderr);
  const copied = await world.rkt("cp", flag, ":/one", `${world.dir}/one`);
  assert.equal(copied.code, 0, copied.stderr);
  assert.equal(Deno.readTextFileSync(`${world.dir}/one`), "one\n");
  for (const words of [["cp", flag, "x:/one", "y"], ["cp", ":/one", "y"]]) {
    assert.match((await world.rkt(...words)).stderr, /^cp: the pod is to be named once/);
  }
  await running.end();
  const out = `${world.dir}/exported.aci`;
  const labels = ["--name=example.com/made", "--label=version=7", "--label=os=linux"];
  const exported = await world.rkt("export", flag, ...labels, out);
  assert.equal(exported.code, 0, exported.stderr);
  const fetched = await world.rkt("--insecure-options=image", "fetch", "--quiet", out);
  assert.match(fetched.stdout, /^sha512-/);
  assert.equal(fetched.stderr, "");
  const manifest = JSON.parse(
    (await world.rkt("image", "cat-manifest", "example.com/made:7")).stdout,
  );
  assert.equal(manifest.name, "example.com/made");
  const prepared = await world.rkt("prepare", "--quiet", BOX, "--", "-c", "echo prepared");
  Deno.writeTextFileSync(file, prepared.stdout);
  assert.equal((await world.rkt("run-prepared", "--net=none", flag)).stdout, "prepared\n");
  assert.match((await world.rkt("export", flag)).stderr, /^export: an argument is needed/);
});

/** What is below a directory, with sizes and times of change, but for the files of the index that SQLite itself makes. */
function everything(directory: string): readonly string[] {
  const args = [directory, "-path", "*/cas/db*", "-prune", "-o", "-printf", "%p %y %s %C@\\n"];
  const { stdout } = new Deno.Command("find", { args }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").toSorted();
}

Deno.test("commands that look leave nothing behind, however much there is to see", async () => {
  for (let i = 0; i < 25; i++) assert.equal((await world.run("true")).code, 0);
  const before = everything(world.dataDir);
  const looks = [
    ["list", "--full"],
    ["list", "--format=json"],
    ["image", "list", "--full"],
    ["image", "cat-manifest", BOX],
    ["image", "inspect", BOX],
    ["cat-manifest", "--help"],
  ];
  for (const words of looks) {
    assert.equal((await world.rkt(...words)).code, 0, words.join(" "));
    assert.deepEqual(everything(world.dataDir), before, words.join(" "));
  }
  assert.equal((await world.rkt("gc", "--mark-only")).code, 0);
  assert.ok(everything(world.dataDir).some((line) => line.includes("/ended-pods.json ")));
});
