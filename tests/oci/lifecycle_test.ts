/** The life of OCI containers as runtime.md of the runtime specification has it; each test is named by a sentence of it. */
import assert from "node:assert/strict";
import { exists } from "../../src/linux/exists.ts";
import { processFile } from "../../src/linux/process.ts";
import { RKT } from "../world/rkt.ts";
import { until } from "../world/until.ts";
import { cgroupsOf, RuntimeWorld, shell } from "../world/runtime_world.ts";

let world: RuntimeWorld;
Deno.test.beforeAll(async () => {
  world = await RuntimeWorld.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const WAITS = shell("echo begun; trap 'exit 5' TERM; while :; do sleep 0.1; done");

const refused = async (text: RegExp, ...words: string[]) => {
  const { code, stderr } = await world.oci(...words);
  assert.equal(code, 1, stderr);
  assert.match(stderr, text);
};

Deno.test("create: the program is not run until start is called, and start runs it", async () => {
  const id = await world.create(WAITS, "--pid-file", `${world.dir}/pid`);
  const { status, pid } = await world.state(id);
  assert.equal(status, "created");
  assert.equal(Deno.readTextFileSync(`${world.dir}/pid`), `${pid}`);
  assert.equal(world.printed(id), "");
  assert.equal((await world.oci("start", id)).code, 0);
  await until(() => world.printed(id) === "begun\n", 60, "the program to begin");
  assert.equal((await world.state(id)).status, "running");
  assert.match(Deno.readTextFileSync(`/proc/${pid}/cmdline`), /^sh\0-c\0/);
  await refused(/cannot start an already running container/, "start", id);
  await refused(/is not stopped: running/, "delete", id);
  assert.equal((await world.oci("kill", id, "TERM")).code, 0);
  await world.awaitStatus(id, "stopped");
  await refused(/cannot start a container that has stopped/, "start", id);
  await refused(/container not running/, "kill", id, "TERM");
  assert.equal((await world.oci("delete", id)).code, 0);
  await refused(/container does not exist/, "state", id);
  assert.deepEqual(cgroupsOf(id), []);
  assert.deepEqual(world.left(), []);
});

Deno.test("create: an ID that is there already is an error, and what is there stays", async () => {
  const id = await world.create(WAITS);
  await refused(/already exists/, "create", "--bundle", world.bundle, id);
  assert.equal((await world.state(id)).status, "created");
  assert.equal((await world.oci("delete", id)).code, 0, "a container that was never started");
  assert.deepEqual(world.left(), []);
});

Deno.test("create: names of containers can't lead elsewhere", async () => {
  for (const id of ["..", ".", "a/b", "", "x".repeat(1025), "ä"]) {
    await refused(
      /is no name of a container|name of a container is missing/,
      "create",
      "--bundle",
      world.bundle,
      id,
    );
  }
  assert.deepEqual(world.left(), []);
});

Deno.test("an error in create leaves nothing behind, as if it had never been tried", async () => {
  const wrong = [
    [{ args: ["true"] }, { root: { path: "nowhere" } }, /nowhere is no directory/],
    [{ args: ["no-such-program"] }, {}, /executable file not found in \$PATH/],
    [{ args: ["/etc"] }, {}, /permission denied/],
    [
      { args: ["true"] },
      { hooks: { createRuntime: [{ path: "/bin/false" }] } },
      /createRuntime hook 0/,
    ],
    [
      { args: ["true"] },
      { hooks: { createContainer: [{ path: "/bin/false" }] } },
      /createContainer hook 0/,
    ],
    [
      { args: ["true"] },
      { mounts: [{ destination: "/data", type: "no-such-type" }] },
      /no-such-type|mount/,
    ],
    [{ args: ["true"], rlimits: [{ type: "RLIMIT_X", soft: 1, hard: 1 }] }, {}, /RLIMIT_X/],
  ] as const;
  for (const [process, rest, text] of wrong) {
    await world.configure({ ...rest, process });
    const id = world.id();
    const { code, stderr } = await world.oci("create", "--bundle", world.bundle, id);
    assert.equal(code, 1, stderr);
    assert.match(stderr, text);
    assert.deepEqual(world.left(), [], stderr);
    assert.deepEqual(cgroupsOf(id), [], stderr);
  }
});

Deno.test("errors stand in the log as an engine reads it, JSON in each line", async () => {
  const log = `${world.dir}/log.json`;
  const words = ["--log", log, "--log-format", "json"];
  await world.configure({ process: { args: ['no"such\\program'] } });
  const inPlan = await world.oci(...words, "create", "--bundle", world.bundle, world.id());
  assert.equal(inPlan.code, 1);
  await world.oci(...words, "state", "missing");
  const lines = Deno.readTextFileSync(log).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ level }) => level), ["error", "error"]);
  assert.match(lines[0].msg, /exec: "no"such\\program": executable file not found in \$PATH/);
  assert.match(lines[1].msg, /container does not exist: missing/);
  for (const { time } of lines) assert.ok(!Number.isNaN(Date.parse(time)), time);
});

Deno.test("run: the exit status is the program's, and signals reach it", async () => {
  assert.equal((await world.run(shell("exit 7"))).code, 7);
  const shared = { namespaces: [{ type: "pid", none: true }] }; // the first process of one gets no KILL of its own
  assert.equal((await world.run({ ...shared, ...shell("kill -9 $$") })).code, 137);
  assert.deepEqual(world.left(), []);
});

Deno.test("exec: a process joins the container, with what it has or what is said", async () => {
  const id = await world.create(WAITS);
  await world.oci("start", id);
  const inside = async (...words: string[]) => {
    const { code, stdout, stderr } = await world.oci("exec", ...words);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  assert.match(await inside(id, "ps"), / 1 .*sh -c echo begun/);
  assert.match(await inside("--user", "1000:7", id, "id"), /uid=1000\(me\) gid=7/);
  assert.equal(
    await inside("--cwd", "/etc", "-e", "X=y", id, "sh", "-c", "pwd; echo $X"),
    "/etc\ny\n",
  );
  assert.match(await inside(id, "cat", "/proc/self/cgroup"), /:\/$/m);
  const process = `${world.dir}/process.json`;
  const spec = { args: ["sh", "-c", "echo $A; exit 3"], env: ["A=b", "PATH=/bin"], cwd: "/" };
  Deno.writeTextFileSync(process, JSON.stringify(spec));
  const file = await world.oci("exec", "--process", process, id);
  assert.deepEqual([file.code, file.stdout], [3, "b\n"]);
  const missing = await world.oci("exec", id, "no-such-program");
  assert.equal(missing.code, 255);
  assert.match(missing.stderr, /executable file not found in \$PATH/);
  const pidFile = `${world.dir}/exec.pid`;
  const sleeper = new Deno.Command(RKT, {
    args: ["oci", "--root", world.root, "exec", "--pid-file", pidFile, id, "sleep", "1000"],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  await until(() => exists(pidFile), 60, "the PID of the process");
  const { pid } = await world.state(id);
  const pids = JSON.parse((await world.oci("ps", "--format", "json", id)).stdout);
  assert.deepEqual(
    new Set(pids).isSupersetOf(new Set([pid, Number(Deno.readTextFileSync(pidFile))])),
    true,
  );
  assert.equal((await world.oci("delete", "--force", id)).code, 0);
  assert.equal((await sleeper.status).code, 137);
  await refused(/container does not exist/, "exec", id, "true");
});

Deno.test("pause and resume: nothing goes on in between, and no process enters", async () => {
  const id = await world.create(shell("i=0; while :; do i=$((i+1)); echo $i >/tmp/count; done"));
  await world.oci("start", id);
  const count = () => {
    try {
      return Deno.readTextFileSync(`${world.bundle}/rootfs/tmp/count`);
    } catch {
      return "";
    }
  };
  await world.awaitStatus(id, "running");
  // The root of this bundle is read-only unless it says otherwise: the count is then never written.
  assert.equal((await world.oci("pause", id)).code, 0);
  assert.equal((await world.state(id)).status, "paused");
  const paused = count();
  await refused(/cannot exec in a paused container/, "exec", id, "true");
  assert.equal(count(), paused);
  assert.equal((await world.oci("resume", id)).code, 0);
  assert.equal((await world.state(id)).status, "running");
  assert.equal((await world.oci("delete", "--force", id)).code, 0);
  assert.deepEqual(cgroupsOf(id), []);
});

Deno.test("delete --force: a container that is not there is no error, one that runs ends", async () => {
  assert.equal((await world.oci("delete", "--force", "missing")).code, 0);
  const id = await world.create(shell("while :; do sleep 1; done"));
  await world.oci("start", id);
  const { pid } = await world.state(id);
  assert.equal((await world.oci("delete", "--force", id)).code, 0);
  // A zombie, where nobody takes orphans.
  assert.match(processFile(pid, "stat") ?? ") Z", /\) Z/);
  assert.deepEqual(world.left(), []);
});

Deno.test("list, features, version: as engines read them", async () => {
  const id = await world.create(WAITS);
  const listed = JSON.parse((await world.oci("list", "--format", "json")).stdout);
  assert.deepEqual(listed.map((each: { id: string; status: string }) => [each.id, each.status]), [[
    id,
    "created",
  ]]);
  assert.equal((await world.oci("list", "--quiet")).stdout, `${id}\n`);
  const features = JSON.parse((await world.oci("features")).stdout);
  assert.equal(features.ociVersionMin, "1.0.0");
  assert.ok(features.mountOptions.includes("rro") && features.linux.namespaces.includes("time"));
  const { stdout } = await world.oci("--version");
  assert.match(stdout, /^rkt version \S+\ncommit: \S+\nspec: 1\.\d+\.\d+\n$/);
  await world.oci("delete", id);
});

Deno.test("events: what a container uses, and that it lacks memory, until it ends", async () => {
  const script = "while [ ! -e /tmp/go ]; do sleep 0.05; done; " +
    "x=0123456789; while true; do x=$x$x$x$x; done";
  const limits = { memory: { limit: 16 << 20, swap: 16 << 20 } };
  const id = await world.create({ ...shell(script), linux: { resources: limits } });
  await world.oci("start", id);
  const refused = await world.oci("events", "--interval=soon", id);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /--interval: "soon" is no duration/);
  const once = JSON.parse((await world.oci("events", "--stats", id)).stdout);
  assert.equal(once.data.memory.usage.limit, 16 << 20);
  const process = new Deno.Command(RKT, {
    args: ["oci", "--root", world.root, "events", "--interval=50ms", id],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let text = "";
  for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) {
    if (text === "") Deno.writeTextFileSync(`${world.bundle}/rootfs/tmp/go`, "");
    text += part;
  }
  Deno.removeSync(`${world.bundle}/rootfs/tmp/go`);
  assert.equal((await process.status).code, 0);
  const events = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([events[0]?.type, events[0]?.id], ["stats", id]);
  assert.deepEqual(events.filter(({ type }) => type === "oom"), [{ type: "oom", id }]);
  const late = await world.oci("events", id);
  assert.deepEqual([late.code, late.stdout], [1, ""]);
  assert.match(late.stderr, /is not running/);
  await world.oci("delete", id);
});

Deno.test("a PID that somebody else has by now is not the container's", async () => {
  const id = await world.create(shell("true"));
  const other = new Deno.Command("sleep", { args: ["100"] }).spawn();
  try {
    const noted = Deno.readTextFileSync(`${world.root}/${id}/pid`);
    await world.oci("kill", id, "KILL");
    await world.awaitStatus(id, "stopped");
    Deno.writeTextFileSync(`${world.root}/${id}/pid`, `${other.pid}`);
    assert.equal((await world.state(id)).status, "stopped");
    await refused(/container not running/, "kill", id, "KILL");
    Deno.writeTextFileSync(`${world.root}/${id}/pid`, noted);
    assert.equal((await world.oci("delete", id)).code, 0);
  } finally {
    other.kill("SIGKILL");
    const { signal } = await other.status;
    assert.equal(signal, "SIGKILL");
  }
});

Deno.test("hooks run at their points, in their namespaces, and read the state", async () => {
  const note = (point: string) => ({
    path: "/bin/sh",
    args: [
      "sh",
      "-c",
      `(cat; echo; readlink /proc/self/ns/mnt) >>${world.dir}/hooks; echo ${point} >>${world.dir}/order`,
    ],
  });
  const points = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
  const hooks = Object.fromEntries(points.map((point) => [point, [note(point)]]));
  const id = await world.create({
    ...WAITS,
    hooks: {
      ...hooks,
      startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "echo startContainer >/data/order"] }],
    },
    root: { path: "rootfs", readonly: false },
    annotations: { a: "b" },
  });
  const order = () => Deno.readTextFileSync(`${world.dir}/order`).trim().split("\n");
  assert.deepEqual(order(), ["prestart", "createRuntime", "createContainer"]);
  const { pid } = await world.state(id);
  const [first = "", ownMounts, second = "", , third = "", container] = Deno.readTextFileSync(
    `${world.dir}/hooks`,
  ).split("\n");
  for (const text of [first, second, third]) {
    const state = JSON.parse(text);
    assert.deepEqual([state.id, state.pid, state.status, state.annotations], [id, pid, "creating", {
      a: "b",
    }]);
    assert.equal(state.bundle, world.bundle);
  }
  assert.equal(ownMounts, Deno.readLinkSync("/proc/self/ns/mnt"));
  assert.equal(container, Deno.readLinkSync(`/proc/${pid}/ns/mnt`));
  await world.oci("start", id);
  assert.deepEqual(order().slice(3), ["poststart"]);
  await until(() => world.printed(id) === "begun\n", 60, "the program to begin");
  assert.equal(Deno.readTextFileSync(`${world.bundle}/rootfs/data/order`), "startContainer\n");
  await world.oci("delete", "--force", id);
  assert.deepEqual(order().slice(3), ["poststart", "poststop"]);
});

Deno.test("a cgroup that was there before stays, whether the container can be made or not", async () => {
  const cgroupsPath = `/rkt-test-${crypto.randomUUID()}`;
  const mounts = Deno.readTextFileSync("/proc/self/mounts");
  const [hierarchy = ""] = /^\S+ (\S*\/pids|\/sys\/fs\/cgroup) cgroup2? /m.exec(mounts)?.slice(1) ??
    [];
  const there = `${hierarchy}${cgroupsPath}`;
  Deno.mkdirSync(`${there}/child`, { recursive: true });
  try {
    await world.configure({ linux: { cgroupsPath }, process: { args: ["no-such-program"] } });
    const failed = await world.oci("create", "--bundle", world.bundle, world.id());
    assert.equal(failed.code, 1, failed.stderr);
    assert.ok(Deno.statSync(`${there}/child`).isDirectory);
    assert.equal((await world.run({ ...shell("exit 3"), linux: { cgroupsPath } })).code, 3);
    assert.ok(Deno.statSync(`${there}/child`).isDirectory);
    // With processes of others in it, or below, it would be theirs that are limited and killed.
    await using sleeper = new Deno.Command("sleep", { args: ["1000"] }).spawn();
    Deno.writeTextFileSync(`${there}/child/cgroup.procs`, `${sleeper.pid}`, { create: false });
    const refused = await world.oci("create", "--bundle", world.bundle, world.id());
    Deno.kill(sleeper.pid, 0);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /linux\.cgroupsPath: \S+ has processes of others already, like \d+/,
    );
    sleeper.kill("SIGKILL");
    await sleeper.status;
  } finally {
    await new Deno.Command("sh", {
      args: ["-c", `find /sys/fs/cgroup -depth -type d -path '*${cgroupsPath}*' -exec rmdir {} +`],
    }).output();
  }
});

Deno.test("the state of a container is not believed where others could have written it", async () => {
  const id = await world.create(shell("sleep 1000"));
  const directory = `${world.root}/${id}`;
  for (const path of [world.root, directory, `${directory}/state.json`]) {
    const { mode } = Deno.statSync(path);
    Deno.chmodSync(path, (mode ?? 0) & 0o777 | 0o020);
    const { code, stderr } = await world.oci("update", "--pids-limit=10", id);
    Deno.chmodSync(path, (mode ?? 0) & 0o777);
    assert.equal(code, 1, path);
    assert.match(stderr, new RegExp(`${path} is not the caller's alone to write`));
  }
  assert.equal((await world.oci("delete", "--force", id)).code, 0);
});

Deno.test("update: limits change, and the devices that every container has stay, whatever rules are handed in", async () => {
  const id = await world.create(shell("while :; do sleep 0.1 </dev/null; done"));
  await world.oci("start", id);
  const resources = `${world.dir}/resources.json`;
  const denied = { allow: false, access: "rwm" };
  Deno.writeTextFileSync(
    resources,
    JSON.stringify({ memory: { limit: 96 << 20 }, pids: { limit: 77 }, devices: [denied] }),
  );
  const { code, stderr } = await world.oci("update", "--resources", resources, id);
  assert.equal(code, 0, stderr);
  const [cgroup = ""] = cgroupsOf(id).filter((path) =>
    /\/pids\//.test(path) || path.startsWith("/sys/fs/cgroup/rkt")
  );
  if (cgroup !== "") assert.equal(Deno.readTextFileSync(`${cgroup}/pids.max`), "77\n");
  const looked = await world.oci("exec", id, "sh", "-c", "echo x >/dev/null && echo well");
  assert.equal(looked.stdout, "well\n", looked.stderr);
  assert.equal((await world.oci("delete", "--force", id)).code, 0);
});

Deno.test("names and sysctls that would be the host's are refused, and the host's stay", async () => {
  const name = Deno.hostname();
  const none = [{ type: "uts", none: true }];
  for (
    const [changes, line] of [
      [{ hostname: "other", namespaces: none }, /hostname: it needs a namespace of the type uts/],
      [
        { hostname: "", domainname: "x.example", namespaces: none },
        /domainname: it needs a namespace of the type uts/,
      ],
      [{ linux: { sysctl: { "kernel.panic": "7" } } }, /kernel.panic is in no namespace/],
    ] as const
  ) {
    const { code, stderr } = await world.run(changes);
    assert.equal(code, 1);
    assert.match(stderr, line);
  }
  assert.equal(Deno.hostname(), name);
  assert.deepEqual(world.left(), []);
});
