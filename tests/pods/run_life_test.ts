/** How pods live and end: statuses, signals, processes. */
import assert from "node:assert/strict";
import { children, mountsBelow, processStatus, Watch, World } from "../world/pod_world.ts";

/** One for all tests of this file. */
let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const SIGNALS = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH"] as const;

/** A shell that says which signals it got, and lives on. */
const TELLS = `${SIGNALS.map((name) => `trap 'echo ${name}' ${name}; `).join("")}
echo ready; while :; do sleep 1000 & wait; done`;

Deno.test("the exit status of the app is that of rkt", async () => {
  for (const status of [0, 1, 7, 125, 254, 255]) {
    assert.equal((await world.run(`exit ${status}`)).code, status);
  }
});

Deno.test("an app that dies by signal s gives 128+s", async () => {
  for (const [name, number] of [["KILL", 9], ["TERM", 15], ["SEGV", 11], ["HUP", 1]] as const) {
    const { code, stderr } = await world.run(`kill -${name} $$`);
    assert.equal(code, 128 + number, `${name}: ${stderr}`);
  }
});

Deno.test("TERM, INT, HUP, QUIT, USR1, USR2 and WINCH reach the app", async () => {
  const pod = await world.start(TELLS);
  assert.equal(await pod.line(), "ready");
  for (const name of SIGNALS) {
    pod.kill(`SIG${name}`);
    assert.equal(await pod.line(), name);
  }
  await pod.end();
});

Deno.test("a second TERM within the grace time reaches the app too", async () => {
  const pod = await world.start(TELLS, "--stop-timeout=1h");
  assert.equal(await pod.line(), "ready");
  for (let i = 0; i < 3; i++) {
    pod.kill("SIGTERM");
    assert.equal(await pod.line(), "TERM");
  }
  await pod.end();
});

for (const timeout of ["1ms", "0s"]) {
  Deno.test(`a second TERM after --stop-timeout=${timeout} kills the pod`, async () => {
    const pod = await world.start(TELLS, `--stop-timeout=${timeout}`);
    assert.equal(await pod.line(), "ready");
    pod.kill("SIGTERM");
    let heard = 0;
    // Each one that is heard came before the timer's signal.
    while (await pod.line() === "TERM") {
      assert.ok(++heard < 1000, "the grace time never ends");
      pod.kill("SIGTERM");
    }
    assert.equal((await pod.child.status).code, 137);
  });
}

Deno.test("rkt keeps its PID, and nothing of Deno is left", async () => {
  const pod = await world.start(TELLS);
  assert.equal(await pod.line(), "ready");
  // Supervisor and init have come to their loops when a signal has gone through them.
  pod.kill("SIGUSR1");
  assert.equal(await pod.line(), "USR1");
  let resident = 0;
  for (const pid of [pod.pid, pod.init]) {
    assert.equal(Deno.readLinkSync(`/proc/${pid}/exe`), "/memfd:rkt (deleted)");
    const files = Deno.readTextFileSync(`/proc/${pid}/maps`).trim().split("\n")
      .map((line) => line.split(/\s+/)[5] ?? "");
    const mapped = new Set(files.filter((file) => file !== "" && !file.startsWith("[")));
    assert.deepEqual([...mapped], ["/memfd:rkt"]);
    assert.equal([...Deno.readDirSync(`/proc/${pid}/task`)].length, 1);
    const [, size] = /^Rss: +(\d+) kB$/m.exec(
      Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`),
    ) ?? [];
    resident += Number(size);
  }
  assert.ok(resident > 0 && resident <= 64, `${resident} KB are resident`);
  await pod.end();
});

Deno.test("two processes belong to a pod beside its app, which is not PID 1", async () => {
  const pod = await world.start("sleep 1000 & echo slept; wait");
  assert.equal(await pod.line(), "slept");
  const { pid, init, app } = pod;
  assert.deepEqual(children(pid), [init]);
  assert.deepEqual(children(init), [app]);
  const inPod = (process: number) => {
    const status = processStatus(Deno.readTextFileSync(`/proc/${process}/status`));
    return status.get("NSpid")?.split("\t").at(-1);
  };
  assert.equal(inPod(init), "1");
  assert.notEqual(inPod(app), "1");
  const names = [pid, init].map((each) => Deno.readTextFileSync(`/proc/${each}/comm`).trim());
  assert.deepEqual(names, ["rkt-supervisor", "rkt-init"]);
  await pod.end();
});

Deno.test("orphans of the app are reaped", async () => {
  const script = `mkfifo /srv/f
sh -c 'sh -c "read line < /srv/f" & echo $! > /srv/pid'
pid=$(cat /srv/pid)
grep PPid /proc/$pid/status
echo go > /srv/f
turns=0
while [ -e /proc/$pid ] && [ $turns -lt 300000 ]; do turns=$((turns + 1)); done
[ -e /proc/$pid ] && grep State /proc/$pid/status
echo done`;
  assert.equal(await world.output(script), "PPid:\t1\ndone\n");
});

Deno.test("what an app leaves behind ends with the pod", async () => {
  const pod = await world.start("sleep 1000 & echo forked; read line < /srv/owned; exit 4");
  assert.equal(await pod.line(), "forked");
  assert.equal((await pod.child.status).code, 4);
});

Deno.test("a killed supervisor takes the pod with it", async () => {
  const pod = await world.start("trap '' TERM HUP INT; sleep 1000 & echo ready; wait");
  assert.equal(await pod.line(), "ready");
  const pids = [pod.init, pod.app, ...children(pod.app)];
  assert.equal(pids.length, 3);
  const watches = pids.map((pid) => new Watch(pid));
  pod.kill("SIGKILL");
  for (const watch of watches) {
    using each = watch;
    assert.ok(each.ends());
  }
  assert.equal((await pod.child.status).signal, "SIGKILL");
  assert.deepEqual(mountsBelow(world.dir), []);
});

Deno.test("a killed init ends the pod with 137", async () => {
  const pod = await world.start("sleep 1000");
  using app = new Watch(pod.app);
  Deno.kill(pod.init, "SIGKILL");
  assert.equal((await pod.child.status).code, 137);
  assert.ok(app.ends());
});

Deno.test("an app can't kill or trace init", async () => {
  const script = "kill -9 1; kill -STOP 1; cat /proc/1/environ; ls /proc/1/root/; exit 6";
  const { code, stdout, stderr } = await world.run(script);
  assert.equal(code, 6);
  assert.equal(stdout, "");
  assert.match(stderr, /\/proc\/1\/environ'?: Permission denied/);
  assert.match(stderr, /\/proc\/1\/root\/: Permission denied/);
});

/** Two apps, that meet at a fifo of the host's. */
function two(first: string, second: string): string[] {
  Deno.mkdirSync(`${world.dir}/meeting`, { recursive: true });
  const fifo = `${world.dir}/meeting/fifo`;
  new Deno.Command("mkfifo", { args: ["-m", "666", fifo] }).outputSync();
  return [
    ...world.flags,
    "run",
    "--net=none",
    `--volume=v,kind=host,source=${world.dir}/meeting`,
    "--mount=volume=v,target=/v",
    "example.com/box",
    "--name=first",
    "--",
    "-c",
    first,
    "---",
    "example.com/box",
    "--name=second",
    "--",
    "-c",
    second,
  ];
}

async function runTwo(first: string, second: string): Promise<{ code: number; lines: string[] }> {
  const pod = world.spawn(...two(first, second));
  const lines: string[] = [];
  for (let line = await pod.line(); line !== undefined; line = await pod.line()) lines.push(line);
  return { code: (await pod.child.status).code, lines: lines.sort() };
}

Deno.test("two apps share a pod, and it ends when both have", async () => {
  const done = await runTwo("read x < /v/fifo; echo first $x", "echo from second > /v/fifo");
  assert.deepEqual(done, { code: 0, lines: ["first from second"] });
});

Deno.test("an app that fails stops the other one, and gives the pod its status", async () => {
  const first = "trap 'echo stopped; exit 3' TERM; sleep 1000 & echo > /v/fifo; wait";
  const done = await runTwo(first, "read x < /v/fifo; exit 5");
  assert.deepEqual(done, { code: 5, lines: ["stopped"] });
});

Deno.test("an app that succeeds leaves the other one running, whose status is the pod's", async () => {
  // A process of the first app is gone from /proc when its parent, init, has seen its end.
  const first = "echo $$ > /v/fifo; exit 0";
  const second = "read pid < /v/fifo; while [ -e /proc/$pid ]; do :; done; echo alone; exit 9";
  assert.deepEqual(await runTwo(first, second), { code: 9, lines: ["alone"] });
});

Deno.test("apps of a pod see each other's processes, and not each other's files", async () => {
  const first = "echo mine > /srv/file; echo $$ > /v/fifo; read x < /v/fifo";
  const second =
    "read pid < /v/fifo; cat /proc/$pid/comm; ls /srv/file; echo > /v/fifo; hostname > /dev/null";
  const { code, lines } = await runTwo(first, second);
  assert.deepEqual({ code, lines }, { code: 0, lines: ["sh"] });
});

Deno.test("the states of a pod are seen by list and status, and its UUID is saved", async () => {
  const file = `${world.dir}/uuid`;
  const pod = await world.start("sleep 1000", `--uuid-file-save=${file}`);
  const uuid = Deno.readTextFileSync(file);
  assert.match(uuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const state = async () => (await world.rkt("status", uuid)).stdout.split("\n");
  const running = await state();
  assert.equal(running[0], "state=running");
  assert.ok(running.includes(`pid=${pod.init}`), running.join());
  assert.match((await world.rkt("list", "--full")).stdout, new RegExp(`${uuid}.*\trunning\t`));
  Deno.kill(pod.app, "SIGKILL");
  assert.equal((await pod.child.status).code, 137);
  const exited = await state();
  assert.equal(exited[0], "state=exited");
  assert.ok(exited.includes("app-box=137"), exited.join());
});
