/** Limits of an app's processes (`--ulimit`) and of single disks (`--device-read-bps` and its like). */
import assert from "node:assert/strict";
import { findHierarchies } from "../../src/cgroup/hierarchies.ts";
import { BOX, list, World } from "../world/pod_world.ts";
import { RKT, rkt } from "../world/rkt.ts";
import { runningPod } from "../world/running_pod.ts";
import { until } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Prints the soft and the hard limits of open files, core dumps and processes. */
const SHOW = "busybox awk '/open files|core file|processes/ { print $(NF-2), $(NF-1) }'" +
  " /proc/self/limits | busybox xargs";

/** The hard limits of this process. */
const own = (what: string): string =>
  new RegExp(`^Max ${what} +\\S+ +(\\S+)`, "m")
    .exec(Deno.readTextFileSync("/proc/self/limits"))?.[1] ?? "";

const FLAGS = ["--ulimit=nofile=100:200,core=0", "--ulimit", `nproc=90:${own("processes")}`];
/** What {@linkcode SHOW} prints then; the kernel's order is that of the table. */
const SHOWN = `0 0 90 ${own("processes")} 100 200\n`;

async function output(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await world.rkt(...words);
  assert.equal(code, 0, stderr);
  return stdout;
}

Deno.test("an app has the limits that were asked for, whoever its user is", async () => {
  for (const [pod, app] of [[[], []], [[], ["--user=33"]], [["--private-users"], []]] as const) {
    const words = ["run", "--net=none", ...pod, BOX, ...app, ...FLAGS, "--", "-c", SHOW];
    assert.equal(await output(...words), SHOWN);
  }
});

Deno.test("what is not asked for is the caller's, but for 1024 open files", async () => {
  const script = "grep -E '^Max (stack size|processes|open files)' /proc/self/limits";
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'ulimit -Ss 4000; exec "$@"', "sh", RKT, ...world.words(script)],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const lines = decoder.decode(stdout).trim().split("\n").map((line) =>
    line.replace(/^Max | (bytes|processes|files) *$/g, "").replace(/ +/g, " ").trim()
  );
  assert.deepEqual(lines, [
    `stack size ${4000 * 1024} ${own("stack size")}`,
    `processes ${own("processes")} ${own("processes")}`,
    `open files 1024 ${own("open files")}`,
  ], decoder.decode(stderr));
});

Deno.test("a limit of open files that leaves none but the streams does not keep an app from starting", async () => {
  const script = "echo in; cat /srv/plain";
  const { code, stdout, stderr } = await world.run(script, "--ulimit=nofile=3");
  assert.deepEqual([code, stdout], [1, "in\n"]);
  assert.match(stderr, /Too many open files/);
});

Deno.test("who enters an app has its limits, also with users of the pod's own", async () => {
  for (const pod of [[], ["--private-users"]]) {
    const words = ["run", "--net=none", ...pod, BOX, ...FLAGS, "--", "-c", "echo up; sleep 1000"];
    const running = world.spawn(...world.flags, ...words);
    assert.equal(await running.line(), "up");
    const uuid = await runningPod(world, running.pid);
    assert.equal(await output("enter", uuid, "/bin/sh", "-c", SHOW), SHOWN);
    await running.end();
  }
});

Deno.test("prepared and added apps have their limits", async () => {
  const app = [BOX, "--name=limited", ...FLAGS, "--stdout=log", "--", "-c", SHOW];
  const prepared = (await output("prepare", ...app)).trim();
  await output("run-prepared", "--net=none", prepared);
  assert.equal(await output("logs", prepared), SHOWN);

  const pod = world.spawn(...world.flags, "app", "sandbox", "--net=none");
  const uuid = await runningPod(world, pod.pid);
  await output("app", "add", uuid, ...app);
  await output("app", "start", uuid, "--app=limited");
  const listed = () => output("app", "list", "--no-legend", uuid);
  await until(async () => !(await listed()).includes("running"), 30, "the end of the added app");
  await output("stop", uuid);
  await pod.child.status;
  assert.equal(await output("logs", uuid), SHOWN);
});

Deno.test("limits that can't be had are refused in one line, before there is a pod", async () => {
  const most = Deno.readTextFileSync("/proc/sys/fs/nr_open").trim();
  const rows: readonly (readonly [words: string[], said: RegExp])[] = [
    [[BOX, "--ulimit=files=1"], /--ulimit: there is no limit "files"; known are as, core/],
    [[BOX, "--ulimit=nofile=2:1"], /the soft limit 2 is above the hard one, 1$/],
    [[BOX, "--ulimit=core=0", "--ulimit=core=1"], /core is there twice$/],
    [[BOX, `--ulimit=nofile=${BigInt(most) + 1n}`], /"box": ulimit nofile: .* at most \d+ open/],
    [
      ["--private-users", BOX, `--ulimit=nofile=${BigInt(own("open files")) + 1n}`],
      /"box": ulimit nofile: .*(rkt may not raise it|at most \d+ open)/,
    ],
    [[BOX, "--device-read-bps=sda:1"], /--device-read-bps: .* not of the form PATH:RATE/],
    [
      [BOX, "--device-write-iops=/dev/null:1"],
      /"box": limits of disks: \/dev\/null is not a block/,
    ],
    [[BOX, "--device-read-iops=/dev/none:1"], /"box": limits of disks: there is no \/dev\/none/],
    [[BOX, "--device-write-bps=/dev/null:0"], /--device-write-bps: .* must be at least 1$/],
    [[BOX, "--device-write-bps=/dev/null:x"], /--device-write-bps: .* is not a quantity/],
  ];
  const before = world.pods();
  for (const [words, said] of rows) {
    const { code, stdout, stderr } = await world.rkt("run", "--net=none", ...words);
    assert.deepEqual([code, stdout], [254, ""], stderr);
    assert.match(stderr, /^run: [^\n]+\n$/);
    assert.match(stderr.trimEnd(), said);
  }
  assert.deepEqual(world.pods(), before);
});

Deno.test("an image can't give itself limits", async () => {
  const annotations = [
    { name: "coreos.com/rkt/stage2/ulimits", value: "nofile=9" },
    { name: "coreos.com/rkt/stage2/device-limits", value: "read-bps=/dev/none:1" },
  ];
  const file = await world.image("greedy", { exec: ["/bin/sh", "-c", SHOW] }, { annotations });
  const run = await world.rkt("--insecure-options=image", "run", "--net=none", file);
  assert.match(run.stdout, / 1024 \d+\n$/, run.stderr);
});

/** A node of a whole block device of this machine, below the test's own directory. */
function disk(): { readonly path: string; readonly number: string } {
  const [name] = list("/sys/block").filter((name) => /^(loop|ram|vd|sd|nvme)/.test(name));
  const number = Deno.readTextFileSync(`/sys/block/${name}/dev`).trim();
  const path = `${world.dir}/disk:of,the test`;
  new Deno.Command("mknod", { args: [path, "b", ...number.split(":")] }).outputSync();
  return { path, number };
}

Deno.test("limits of a disk stand in the files of the app's cgroup, of version 1", async () => {
  const { path, number } = disk();
  const flags = [
    `--device-read-bps=${path}:1mb`,
    `--device-write-bps=${path}:1500k`,
    `--device-read-iops=${path}:20`,
    `--device-write-iops=${path}:2e3`,
    "--blkio-weight=77",
  ];
  const { own } = findHierarchies(
    Deno.readTextFileSync("/proc/self/cgroup"),
    Deno.readTextFileSync("/proc/self/mountinfo"),
  );
  const pod = await world.start("sleep 1000", ...flags);
  const cgroup = `${own.get("blkio")}/rkt-${await runningPod(world, pod.pid)}/box`;
  const text = (file: string) => Deno.readTextFileSync(`${cgroup}/blkio.${file}`).trim();
  assert.equal(text("throttle.read_bps_device"), `${number} ${1 << 20}`);
  assert.equal(text("throttle.write_bps_device"), `${number} 1500000`);
  assert.equal(text("throttle.read_iops_device"), `${number} 20`);
  assert.equal(text("throttle.write_iops_device"), `${number} 2000`);
  assert.equal(text("bfq.weight"), "77");
  await pod.end();
  const { stdout } = await rkt(...world.words("true", "--dry-run", ...flags));
  assert.match(stdout, new RegExp(`limits .*read_bps_device=${number},${1 << 20} `));
});
