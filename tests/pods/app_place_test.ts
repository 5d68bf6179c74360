/** An app of a sandbox that tries to take the place of another: nobody takes a process for one that it is not. */
import assert from "node:assert/strict";
import { findApp, pinShim } from "../../src/pod/app/app_process.ts";
import { openPod } from "../../src/pod/directory/pod_directory.ts";
import { namespacePids } from "../../src/linux/process.ts";
import { BOX, children, World } from "../world/pod_world.ts";
import { runningPod } from "../world/running_pod.ts";
import { nth, only } from "../world/nth.ts";
import { until } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** A sandbox whose apps run a script each. */
async function sandbox(...apps: readonly (readonly [name: string, script: string, ...string[]])[]) {
  const pod = world.spawn(...world.flags, "app", "sandbox", "--net=none");
  const uuid = await runningPod(world, pod.pid);
  const app = async (command: string, ...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await world.rkt("app", command, uuid, ...words);
    assert.equal(code, 0, `app ${command}: ${stderr}`);
    return stdout;
  };
  for (const [name, script, ...flags] of apps) {
    await app("add", BOX, `--name=${name}`, ...flags, "--", "-c", script);
    await app("start", `--app=${name}`);
  }
  const view = openPod(world.dataDir, uuid);
  return { pod, uuid, app, view, status: `${view.path}/stage1/rootfs/rkt/status` };
}

/** The PID that a file of the status directory names, as the host numbers it. */
function noted(file: string, init: number): number {
  const number = new Uint32Array(Deno.readFileSync(file).buffer)[0];
  const among = [...children(init), ...children(init).flatMap(children)];
  return only(among.filter((pid) => namespacePids(pid).at(-1) === number));
}

/** Ends a process, and waits until it is gone. */
async function killed(pid: number): Promise<void> {
  Deno.kill(pid, "SIGKILL");
  const gone = () => namespacePids(pid).length === 0;
  await until(gone, 30, `the end of process ${pid}`);
}

const STAYS = "echo up; exec sleep 1000";

Deno.test("whoever has the numbers of a killed shim and of its app is neither", async () => {
  const { pod, uuid, app, view, status } = await sandbox(["victim", STAYS], ["other", STAYS]);
  const victim = findApp(world.dataDir, view, "victim");
  assert.ok(typeof victim === "object");
  victim[Symbol.dispose]();
  await killed(noted(`${status}/victim-keeper`, pod.init));
  const gone = () => namespacePids(victim.main.pid).length === 0;
  await until(gone, 30, "the end of what has lost its shim");
  // As if `other` had made processes until they got the two numbers. Its shim and its main process are what they would be:
  // a process with a child of the right number.
  for (const file of ["keeper", "pid"]) {
    Deno.copyFileSync(`${status}/other-${file}`, `${status}/victim-${file}`);
  }
  const start = Deno.statSync(`${status}/victim-started`).mtime ?? new Date();
  Deno.utimeSync(`${status}/victim-pid`, start, start);
  assert.equal(findApp(world.dataDir, view, "victim"), "has ended");
  assert.equal(pinShim(world.dataDir, view, "victim"), undefined);
  const states = (await app("list", "--no-legend")).trim().split(/\s+/);
  assert.deepEqual(states, ["victim", "exited", "other", "running"]);
  const entered = await world.rkt("enter", "--app=victim", uuid, "/bin/id");
  assert.deepEqual([entered.code, entered.stdout], [254, ""]);
  // Nor is the other one taken for what the victim has left.
  await app("rm", "--app=victim");
  const other = findApp(world.dataDir, view, "other");
  assert.ok(typeof other === "object");
  other[Symbol.dispose]();
  await pod.end();
});

Deno.test("pinShim() finds each app's shim", async () => {
  const { pod, view, status } = await sandbox(["victim", STAYS], ["other", STAYS]);
  const shims = ["victim", "other"].map((name) => {
    using shim = pinShim(world.dataDir, view, name);
    return shim?.pid;
  });
  assert.deepEqual(
    shims,
    ["victim", "other"].map((name) => noted(`${status}/${name}-keeper`, pod.init)),
  );
  await pod.end();
});

Deno.test("what a killed shim has left of its app runs, and is ended before the app starts again", async () => {
  // The kernel forgets that a process is to die with its parent when its user changes (prctl(2), PR_SET_PDEATHSIG).
  const { pod, app, view, status } = await sandbox([
    "left",
    "sleep 1000; true",
    "--user=www",
    "--group=www",
  ]);
  const found = findApp(world.dataDir, view, "left");
  assert.ok(typeof found === "object");
  const { pid } = found.main;
  found[Symbol.dispose]();
  const processes = [pid, ...children(pid)];
  await killed(noted(`${status}/left-keeper`, pod.init));
  assert.equal(namespacePids(pid).length, 2, "it has outlived its shim");
  assert.match(await app("list", "--no-legend"), /^left\s+running\s*$/);
  assert.equal(findApp(world.dataDir, view, "left"), "has ended", "nobody can say whose it is");
  await app("start", "--app=left");
  assert.deepEqual(processes.filter((each) => namespacePids(each).length > 0), []);
  const again = findApp(world.dataDir, view, "left");
  assert.ok(typeof again === "object" && again.main.pid !== pid);
  again[Symbol.dispose]();
  await pod.end();
});

/** Whether this kernel keeps signals within a Landlock domain (Linux 6.12). */
const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
const scoped = major > 6 || (major === 6 && minor >= 12);

Deno.test({
  name: "an app with CAP_KILL can't signal rkt's processes, nor another app's",
  ignore: !scoped,
  async fn() {
    const attack = "for p in 1 $(ls /proc | grep '^[0-9]*$'); do " +
      'test $p = $$ || for s in STOP TERM KILL; do busybox kill -$s $p && echo "$s $p"; done; ' +
      "done 2>/dev/null; echo tried; sleep 1000";
    const { pod, uuid, app, status } = await sandbox(["victim", STAYS], ["attacker", attack]);
    const logs = async () => (await world.rkt("logs", "--app=attacker", uuid)).stdout;
    await until(async () => (await logs()).includes("tried"), 60, "the attacker");
    assert.equal(await logs(), "tried\n", "no signal was let through");
    const states = (await app("list", "--no-legend")).trim().split(/\s+/);
    assert.deepEqual(states, ["victim", "running", "attacker", "running"]);
    noted(`${status}/victim-keeper`, pod.init);
    // The administrator's own program in the app can.
    const words = ["enter", "--app=victim", uuid, "/bin/sh", "-c"];
    const pids = new Uint32Array(Deno.readFileSync(`${status}/victim-pid`).buffer);
    const entered = await world.rkt(...words, `busybox kill -KILL ${nth([...pids], 0)}`);
    assert.equal(entered.code, 0, entered.stderr);
    await until(
      () => findAppOf(uuid, "victim") === "has ended",
      30,
      "the end of the victim",
    );
    await pod.end();
  },
});

function findAppOf(uuid: string, name: string): string {
  const found = findApp(world.dataDir, openPod(world.dataDir, uuid), name);
  if (typeof found !== "object") return found;
  found[Symbol.dispose]();
  return "runs";
}
