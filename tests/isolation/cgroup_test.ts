/** Limits and the device policy, by cgroups of version 1, and that no cgroup is left behind. */
import assert from "node:assert/strict";
import { findHierarchies } from "../../src/cgroup/hierarchies.ts";
import { BOX, list, podUuid, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { only } from "../world/nth.ts";
import { until } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** The directories of this process's own cgroups. */
const own = findHierarchies(
  Deno.readTextFileSync("/proc/self/cgroup"),
  Deno.readTextFileSync("/proc/self/mountinfo"),
).own;

/** The directory of a pod's only app in the hierarchy of a controller. */
function cgroup(controller: string, uuid: string): string {
  return `${own.get(controller)}/rkt-${uuid}/box`;
}

const text = (path: string): string => Deno.readTextFileSync(path).trim();

/** The UUID of the only pod that runs, or has run last. */
function uuid(): string {
  return podUuid(only(world.pods()));
}

async function clean(): Promise<void> {
  // A killed supervisor is gone a moment before its init.
  for (const pod of world.pods()) await world.rkt("status", "--wait", podUuid(pod));
  const { code, stderr } = await world.rkt("gc", "--grace-period=0s");
  assert.equal(code, 0, stderr);
  assert.deepEqual(world.pods(), []);
}

/** The cgroups of a pod. */
function left(uuid: string): string[] {
  return [...own.values()].flatMap((path) =>
    list(path).filter((name) => name === `rkt-${uuid}`).map((name) => `${path}/${name}`)
  );
}

const LIMITS:
  readonly (readonly [flag: string, controller: string, file: string, value: string])[] = [
    ["--memory=64Mi", "memory", "memory.limit_in_bytes", "67108864"],
    ["--memory=64Mi", "memory", "memory.memsw.limit_in_bytes", "67108864"],
    ["--memory-swap=1Mi", "memory", "memory.memsw.limit_in_bytes", "68157440"],
    ["--cpu=1500m", "cpu", "cpu.cfs_quota_us", "150000"],
    ["--cpu-shares=512", "cpu", "cpu.shares", "512"],
    ["--pids-limit=17", "pids", "pids.max", "17"],
    ["--io-weight=50", "blkio", "blkio.bfq.weight", "50"],
  ];

Deno.test("limits stand in the files of the app's cgroups", async () => {
  for (const [flag, controller, file, value] of LIMITS) {
    const flags = flag.startsWith("--memory-swap") ? ["--memory=64Mi", flag] : [flag];
    const pod = await world.start("sleep 1000", ...flags);
    const id = uuid();
    const path = cgroup(controller, id);
    assert.equal(text(`${path}/${file}`), value, flag);
    assert.equal(text(`${path}/cgroup.procs`).split("\n").includes(`${pod.app}`), true);
    pod.kill("SIGTERM");
    await pod.child.status;
    assert.deepEqual(left(id), []);
    await clean();
  }
});

Deno.test("limits of an image hold, and a flag replaces them", async () => {
  const isolator = { name: "resource/memory", value: { limit: "32Mi" } };
  const manifest = {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: "example.com/limited",
    labels: [{ name: "os", value: "linux" }, { name: "arch", value: "amd64" }],
    app: { exec: ["/bin/sh"], user: "0", group: "0", isolators: [isolator] },
  };
  Deno.writeTextFileSync(`${world.dir}/manifest`, JSON.stringify(manifest));
  const file = await world.build("limited.aci", [`--manifest=${world.dir}/manifest`]);
  for (const [flags, value] of [[[], "33554432"], [["--memory=16Mi"], "16777216"]] as const) {
    const words = ["--insecure-options=image", "run", "--net=none", file, ...flags];
    const pod = world.spawn(...world.flags, ...words, "--", "-c", "echo up; sleep 1000");
    assert.equal(await pod.line(), "up");
    const [name] = list(`${own.get("memory")}/rkt-${uuid()}`).filter((each) => each === "limited");
    assert.equal(text(`${own.get("memory")}/rkt-${uuid()}/${name}/memory.limit_in_bytes`), value);
    await pod.end();
    await clean();
  }
});

Deno.test("an app that uses too much memory is killed alone, and status says so", async () => {
  const hungry = ["--name=hungry", "--memory=16Mi", "--exec=/bin/dd", "--"];
  const args = ["if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"];
  // Its end stops the others, who are asked and not killed.
  const modest = "trap 'echo alive; exit' TERM; while :; do sleep 0.1; done";
  const { code, stdout } = await new Deno.Command(RKT, {
    args: [
      ...world.flags,
      ...["run", "--net=none", BOX, "--name=modest", "--", "-c", modest],
      ...["---", BOX, ...hungry, ...args],
    ],
    stdin: "null",
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "alive\n");
  assert.equal(code, 137);
  const id = uuid();
  assert.deepEqual(left(id), []);
  const { stdout: status } = await world.rkt("status", id);
  assert.match(status, /^app-hungry=137$/m);
  assert.match(status, /^oom-hungry=1$/m);
  assert.doesNotMatch(status, /oom-modest/);
  await clean();
});

Deno.test("status says so while the pod still runs", async () => {
  const script = "dd if=/dev/zero of=/dev/null bs=64M count=1; echo killed; sleep 1000";
  const pod = await world.start(script, "--memory=16Mi");
  assert.equal(await pod.line(), "killed");
  assert.match((await world.rkt("status", uuid())).stdout, /^state=running$[^]*^oom-box=1$/m);
  await pod.end();
  await clean();
});

Deno.test("the CPU limit holds: the kernel has throttled an app that wants more", async () => {
  const script = "while :; do :; done";
  const pod = await world.start(script, "--cpu=100m");
  const stat = `${cgroup("cpu", uuid())}/cpu.stat`;
  const counter = (name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text(stat))?.[1]);
  // Where there is no limit, it never does.
  await until(() => counter("nr_throttled") >= 5, 60, "five periods that were throttled");
  assert.ok(counter("nr_throttled") <= counter("nr_periods"));
  await pod.end();
  await clean();
});

Deno.test("the limit of processes holds, and leaves room for as many as it says", async () => {
  const script = "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo all";
  const { stdout, stderr } = await world.run(script, "--pids-limit=5");
  assert.equal(stdout, "");
  assert.match(stderr, /can't fork/);
  await clean();
  const pod = await world.start(`${script}; wait`, "--pids-limit=9");
  assert.equal(await pod.line(), "all");
  assert.equal(text(`${cgroup("pids", uuid())}/pids.current`), "9");
  await pod.end();
  await clean();
});

Deno.test("no device but those of /dev can be opened or made", async () => {
  const disk = Deno.readTextFileSync("/sys/block/vda/dev").trim().split(":");
  const script = `for node in "b ${disk.join(" ")}" "c 1 1" "c 1 2" "c 1 11" "c 10 229"; do
      busybox mknod /dev/shm/x $node && echo "made $node"
      busybox rm -f /dev/shm/x
      busybox mknod /dev/x $node && echo "made $node"
    done
    busybox mknod /dev/null2 c 1 3 && echo made null; echo x > /dev/null && echo null`;
  const { stdout } = await world.run(script);
  assert.equal(stdout, "made null\nnull\n");
  await clean();
});

Deno.test("a device that is given as a volume can be used, and not written to where it is read-only", async () => {
  const disk = `/dev/${list("/sys/block").find((name) => /^[vs]d|^nvme|^loop/.test(name))}`;
  const volume = `--volume=disk,kind=host,source=${disk},readOnly=true`;
  const pod = new Deno.Command(RKT, {
    args: [
      ...world.flags,
      ...["run", "--net=none", volume, BOX, "--mount=volume=disk,target=/dev/disk", "--", "-c"],
      "dd if=/dev/disk of=/dev/null count=1 && echo read; : >> /dev/disk && echo OPENED",
    ],
    stdin: "null",
  });
  const { stdout, stderr } = await pod.output();
  assert.equal(new TextDecoder().decode(stdout), "read\n", new TextDecoder().decode(stderr));
  await clean();
});

Deno.test("an app sees its own cgroups as the top", async () => {
  const lines = (await world.output("cat /proc/self/cgroup", "--memory=64Mi")).trim().split("\n");
  const paths = new Map(lines.map((line) => [line.split(":")[1], line.split(":")[2]]));
  for (const name of ["memory", "devices"]) assert.equal(paths.get(name), "/", name);
  await clean();
});

Deno.test("gc removes the cgroups of a pod that was killed", async () => {
  const pod = await world.start("sleep 1000", "--memory=64Mi", "--pids-limit=9");
  const id = uuid();
  assert.equal(left(id).length, 3);
  await pod.end();
  assert.equal(left(id).length, 3);
  await clean();
  assert.deepEqual(left(id), []);
});

Deno.test("gc takes no other cgroup for a pod's, whatever the pod's directory says", async () => {
  const pod = await world.start("sleep 1000");
  const id = uuid();
  const other = `${own.get("memory")}/rkt-test-${crypto.randomUUID()}`;
  Deno.mkdirSync(other);
  try {
    const file = `${world.dataDir}/pods/${world.pods()[0]}/subcgroup`;
    const lines = Deno.readTextFileSync(file);
    Deno.writeTextFileSync(file, `${lines}${other}\n/x/../${other}\n`);
    await pod.end();
    await clean();
    Deno.lstatSync(other);
  } finally {
    Deno.removeSync(other);
  }
  assert.deepEqual(left(id), []);
});

Deno.test("--oom-score-adj is the app's, and init's is the caller's", async () => {
  const pod = await world.start("sleep 1000", "--oom-score-adj=700");
  assert.equal(text(`/proc/${pod.app}/oom_score_adj`), "700");
  assert.equal(text(`/proc/${pod.init}/oom_score_adj`), text("/proc/self/oom_score_adj"));
  await pod.end();
  await clean();
});

Deno.test("too little memory to start in is refused", async () => {
  const { code, stderr } = await world.run("true", "--memory=4095");
  assert.equal(code, 254);
  assert.match(stderr, /^run: app "box": 4095 bytes of memory are too few to start; /);
});
