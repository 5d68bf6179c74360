/**
 * rkt killed with KILL at hundreds of moments of starting and running a pod: no process of it lives on, nothing is
 * mounted on the host, and the next command knows the pod for what it is.
 */
import assert from "node:assert/strict";
import { BOX, children, list, UNSIGNED, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

/** A pod of several processes that do not end by themselves, nor by signals that can be ignored. */
const SCRIPT = "trap '' TERM HUP INT; sleep 10000 & sleep 10000 & echo up; wait";

/** What `list` may say of a pod whose supervisor is dead. */
const DEAD: ReadonlySet<string> = new Set(["embryo", "aborted prepare", "exited"]);

/** Mounts of the host that a pod's could be or hide; others come and go by themselves. */
function mounts(dir: string): string[] {
  const system = /^(\S+ ){4}\/(proc|sys|dev(\/(pts|shm))?|\.shm)? /;
  return Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
    .filter((line) => system.test(line) || line.includes(dir));
}

/** Time passes without a timer of the event loop, whose grain would be a millisecond; only its last part costs the processor. */
function waitUntil(moment: number): void {
  const asleep = moment - performance.now() - 0.3;
  if (asleep > 0) Atomics.wait(NEVER_WOKEN, 0, 0, asleep);
  while (performance.now() < moment);
}

const NEVER_WOKEN = new Int32Array(new SharedArrayBuffer(4));

/** Resolves when every process that has the stream as its standard error has ended. */
async function ended(stream: ReadableStream<Uint8Array>): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("a process of the pod lives on")), 30_000);
  });
  try {
    return await Promise.race([new Response(stream).text(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The processes whose environment or arguments have a word. */
function processesWith(word: string): string[] {
  const read = (path: string) => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return ""; // It has ended.
    }
  };
  return list("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== Deno.pid)
    .filter((pid) =>
      ["environ", "cmdline"].some((of) => read(`/proc/${pid}/${of}`).includes(word))
    );
}

/** Runs of one kind, each killed a little later than the one before. */
class Series {
  /** A variable in the environment of the apps. */
  readonly #marker = `KILLED_BY_TEST_${crypto.randomUUID()}`;
  readonly #words: readonly string[];

  constructor(
    readonly world: World,
    image: string,
    global: readonly string[],
    flags: readonly string[],
  ) {
    const network = flags.includes("--flavor=fly") ? "--net=host" : "--net=none";
    const pod = [network, `--set-env=MARKER=${this.#marker}`, ...flags];
    this.#words = [...global, "run", ...pod, image, "--", "-c", SCRIPT];
  }

  #spawn(dataDir: string): Deno.ChildProcess {
    const args = [`--dir=${dataDir}`, UNSIGNED, ...this.#words];
    return new Deno.Command(RKT, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  }

  /** Milliseconds until the app is up; the run is killed then. */
  async untilUp(dataDir: string): Promise<number> {
    const from = performance.now();
    const child = this.#spawn(dataDir);
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    const time = performance.now() - from;
    child.kill("SIGKILL");
    await reader.cancel();
    const error = await ended(child.stderr);
    assert.equal(new TextDecoder().decode(value), "up\n", error);
    await child.status;
    return time;
  }

  /** Kills a run so many milliseconds after its start; whether the app was up by then. */
  async killAfter(delay: number, dataDir: string): Promise<boolean> {
    const child = this.#spawn(dataDir);
    waitUntil(performance.now() + delay);
    child.kill("SIGKILL");
    const [error, output] = await Promise.all([
      ended(child.stderr),
      new Response(child.stdout).text(),
    ]);
    assert.equal(error, "");
    const { signal } = await child.status;
    assert.equal(signal, "SIGKILL");
    assert.deepEqual(processesWith(this.#marker), []);
    return output === "up\n";
  }
}

/** Every pod is known to be dead, and gc takes all of them. */
async function collect(world: World, dataDir = world.dataDir): Promise<void> {
  const listed = await world.rkt(`--dir=${dataDir}`, "list", "--format=json");
  const pods: readonly { readonly name: string; readonly state: string }[] = JSON.parse(
    listed.stdout,
  );
  for (const { name, state } of pods) assert.ok(DEAD.has(state), `${name} is ${state}`);
  const { code, stderr } = await world.rkt(`--dir=${dataDir}`, "gc", "--grace-period=0s");
  assert.equal(code, 0, stderr);
  for (const stage of list(`${dataDir}/pods`)) {
    assert.deepEqual(list(`${dataDir}/pods/${stage}`), [], stage);
  }
}

/**
 * Kills `count` runs, each a little later than the one before, from a part of the time that the app takes to be up
 * until it is up; then it begins again, as often as it takes.
 */
async function killAll(
  series: Series,
  count: number,
  from: number,
  dataDir: () => string,
): Promise<void> {
  const before = mounts(series.world.dir);
  await series.untilUp(dataDir());
  const time = await series.untilUp(dataDir());
  let delay = from * time;
  let up = 0;
  // One sweep to the end there is always, however slow the machine has become since the time was taken.
  for (let i = 0, swept = false; i < count || !swept; i++) {
    up = await series.killAfter(delay, dataDir()) ? up + 1 : 0;
    assert.deepEqual(mounts(series.world.dir), before);
    delay += (1 - from) * time * 2 / count;
    if (up === 3) {
      swept = true;
      delay = from * time;
    }
    if (i % 40 === 39) await collect(series.world, dataDir());
  }
  await collect(series.world, dataDir());
}

Deno.test("rkt killed at 300 moments of a start leaves no process, no mount, no pod that seems to run", async () => {
  await using world = await World.make();
  const series = new Series(world, BOX, [], []);
  const dir = () => world.dataDir;
  await killAll(series, 150, 0, dir);
  // The part of the supervisor and init is short, so it is looked at more closely.
  await killAll(series, 150, 0.6, dir);
});

Deno.test("the same with a copied root", async () => {
  await using world = await World.make();
  await killAll(new Series(world, BOX, [], ["--no-overlay"]), 40, 0.2, () => world.dataDir);
});

Deno.test("the same with the flavor fly, whose processes are the host's", async () => {
  await using world = await World.make();
  await killAll(new Series(world, BOX, [], ["--flavor=fly"]), 100, 0.2, () => world.dataDir);
});

Deno.test("the same with an image that is yet to be stored", async () => {
  await using world = await World.make();
  const series = new Series(world, `${world.dir}/box.aci`, ["--insecure-options=image"], []);
  const used: string[] = [];
  const fresh = () => {
    const next = `${world.dir}/data-${used.length}`;
    used.push(next);
    return next;
  };
  await killAll(series, 24, 0, fresh);
  for (const dataDir of used) {
    await collect(world, dataDir);
    // What was half stored is no image, or a whole one: the next run works.
    const { code, stderr } = await world.rkt(
      `--dir=${dataDir}`,
      "--insecure-options=image",
      "run",
      "--net=none",
      `${world.dir}/box.aci`,
      "--",
      "-c",
      "exit 7",
    );
    assert.equal(code, 7, stderr);
  }
});

/** Kills the program that strace(1) runs, if it was not killed meanwhile. */
function killFirstChild(pid: number): void {
  try {
    for (const child of children(pid)) Deno.kill(child, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The system calls of a start: the launcher's, then the supervisor's; each with how often it had been made by then. Where a start
 * is not repeated, as those of fly that limit nothing, its runtime's calls before it makes the pod are left out: until then it
 * has done nothing.
 */
function callsOfStart(log: string): (readonly [string, number])[] {
  const counts = new Map<string, number>();
  const lines = log.split("\n").filter((line) => /^[a-z_0-9]+\(/.test(line));
  const calls = lines.map((line) => {
    const name = line.slice(0, line.indexOf("("));
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return [name, count] as const;
  });
  const supervisor = calls.findIndex(([name]) => name === "execveat");
  assert.ok(supervisor >= 0);
  const hasThreads = calls.slice(0, supervisor).some(([name]) => name === "clone3");
  const begin = hasThreads ? lines.findIndex((line) => line.includes("/pods/embryo/")) : 0;
  assert.ok(begin >= 0 && begin < supervisor);
  // The app may be up, and the supervisor be killed, before it comes to wait.
  const end = calls.findIndex(([name]) => name === "rt_sigtimedwait");
  return calls.slice(begin, end < 0 ? calls.length : end);
}

for (const flags of [[], ["--private-users"], ["--flavor=fly", "--net=host"]]) {
  const what = ["the launcher and the supervisor make", ...flags].join(" with ");
  Deno.test(`the same at each system call that ${what}`, async () => {
    await killAtEachCall(flags);
  });
}

async function killAtEachCall(flags: readonly string[]): Promise<void> {
  await using world = await World.make();
  const before = mounts(world.dir);
  /** Runs the pod under strace(1), and kills it when its app is up; whether it was. */
  const trace = async (...options: string[]): Promise<boolean> => {
    const child = new Deno.Command("strace", {
      args: ["-qq", ...options, RKT, ...world.words(SCRIPT, ...flags)],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    if (!done) killFirstChild(child.pid);
    await reader.cancel();
    await ended(child.stderr);
    await child.status;
    return !done;
  };
  // The second run is one like all that follow: what the first one found out is remembered.
  const log = `${world.dir}/strace`;
  for (let i = 0; i < 2; i++) assert.ok(await trace("-o", log));
  const calls = callsOfStart(Deno.readTextFileSync(log));
  let killed = 0;
  for (const [name, count] of calls) {
    const inject = `inject=${name}:signal=KILL:when=${count}`;
    if (!await trace("-o", "/dev/null", "-e", `trace=${name}`, "-e", inject)) killed += 1;
    assert.deepEqual(mounts(world.dir), before);
  }
  assert.ok(killed > calls.length / 2, `${killed} of ${calls.length}`);
  await collect(world);
}

Deno.test("a pod that runs is gone when its supervisor is, whatever it does", async () => {
  await using world = await World.make();
  const before = mounts(world.dir);
  const busy = [
    "while :; do sh -c 'exit 1'; done",
    "while :; do sleep 1000 & kill -9 $!; done",
    "trap '' TERM; while :; do :; done",
    "mkfifo /srv/f; while :; do (echo x > /srv/f &) ; read y < /srv/f; done",
  ];
  for (const script of busy) {
    for (let i = 0; i < 5; i++) {
      const child = new Deno.Command(RKT, {
        args: world.words(`echo up; ${script}`),
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const reader = child.stdout.getReader();
      await reader.read();
      waitUntil(performance.now() + i);
      child.kill("SIGKILL");
      await reader.cancel();
      await ended(child.stderr);
      await child.status;
      assert.deepEqual(mounts(world.dir), before);
    }
  }
  await collect(world);
});
