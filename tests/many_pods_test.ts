/** Many pods at once, and any command of rkt beside any other one, with random KILLs among them. */
import assert from "node:assert/strict";
import { BOX, list, type Pod, World } from "./pod_world.ts";
import { RKT } from "./rkt.ts";

/** What `list` may say of a pod that nobody is at. */
const AT_REST = ["embryo", "aborted prepare", "prepared", "exited", "exited garbage", "garbage"];

/** Mounts of the host that have to do with a world. */
const mounts = (world: World): string[] =>
  Deno.readTextFileSync("/proc/self/mountinfo").split("\n").filter((l) => l.includes(world.dir));

/** Cgroups of pods. */
function cgroups(uuids: ReadonlySet<string>): string[] {
  const { stdout } = new Deno.Command("find", {
    args: ["/sys/fs/cgroup", "-maxdepth", "8", "-type", "d", "-name", "rkt-*"],
    stderr: "null", // some are gone before they are looked at
  }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((path) =>
    uuids.has(path.slice(path.lastIndexOf("/rkt-") + 5))
  );
}

/** Processes whose arguments or environment have one of some words: of pods, by their UUIDs, and of their apps. */
function processes(words: readonly string[]): string[] {
  const read = (path: string): string => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return ""; // It has ended.
    }
  };
  return list("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== Deno.pid)
    .filter((pid) => {
      const text = read(`/proc/${pid}/cmdline`) + read(`/proc/${pid}/environ`);
      return words.some((word) => text.includes(word));
    });
}

/** Nothing of the pods is left, neither in the data directory nor on the host. */
async function collected(world: World, uuids: ReadonlySet<string>, word: string): Promise<void> {
  const listed = await world.rkt("list", "--format=json");
  assert.equal(listed.code, 0, listed.stderr);
  const pods: readonly { readonly name: string; readonly state: string }[] = JSON.parse(
    listed.stdout,
  );
  for (const { name, state } of pods) assert.ok(AT_REST.includes(state), `${name} is ${state}`);
  const { code, stderr } = await world.rkt("gc", "--grace-period=0s", "--expire-prepared=0s");
  assert.equal(code, 0, stderr);
  assert.deepEqual(world.pods(), []);
  assert.deepEqual(processes([word, ...uuids]), []);
  assert.deepEqual(mounts(world), []);
  assert.deepEqual(cgroups(uuids), []);
}

const uuidsOf = (world: World): string[] => world.pods().map((path) => path.split("/")[1]);

Deno.test("20 pods start, are listed, stop and are collected at once", async () => {
  await using world = await World.make();
  const word = `MANY_${crypto.randomUUID()}`;
  const pods: Pod[] = [];
  for (let i = 0; i < 20; i++) {
    pods.push(world.spawn(...world.words("echo up; exec sleep 1000", `--set-env=MARKER=${word}`)));
  }
  for (const pod of pods) assert.equal(await pod.line(), "up");
  const uuids = uuidsOf(world);
  const lines = async () => (await world.rkt("list", "--no-legend")).stdout.trim().split("\n");
  const running = await lines();
  assert.equal(running.length, 20);
  assert.ok(running.every((line) => line.includes("\trunning\t")), running.join("\n"));
  const states = await Promise.all(uuids.map((uuid) => world.rkt("status", "--wait-ready", uuid)));
  for (const { stdout } of states) assert.match(stdout, /^state=running\n/);
  const stopped = await world.rkt("stop", ...uuids);
  assert.equal(stopped.code, 0, stopped.stderr);
  for (const pod of pods) assert.equal((await pod.child.status).code, 143);
  assert.ok((await lines()).every((line) => line.includes("\texited\t")));
  await collected(world, new Set(uuids), word);
});

/** How long commands run beside each other, in milliseconds. */
const DURATION = 20_000;

/** Commands that run at the moment, and what became of those that ended. */
class Chaos {
  readonly #running = new Set<Deno.ChildProcess>();
  readonly #end = Date.now() + DURATION;
  readonly word = `CHAOS_${crypto.randomUUID()}`;
  /** All pods that there were. */
  readonly uuids = new Set<string>();
  /** How often each command has ended by itself, and how often one was killed. */
  readonly ended = new Map<string, number>();

  constructor(readonly world: World) {}

  get goesOn(): boolean {
    return Date.now() < this.#end;
  }

  async command(...words: string[]): Promise<void> {
    const child = new Deno.Command(RKT, {
      args: [`--dir=${this.world.dataDir}`, ...words],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#running.add(child);
    const { signal, stderr } = await child.output();
    this.#running.delete(child);
    const said = new TextDecoder().decode(stderr);
    // One line for each thing that went wrong, and nothing that nobody has thought of.
    assert.ok(!/\n +at |Error:|BUG|panic/.test(said), `${words.join(" ")}: ${said}`);
    const kind = signal === "SIGKILL" ? "killed" : words[0];
    this.ended.set(kind, (this.ended.get(kind) ?? 0) + 1);
    for (const uuid of uuidsOf(this.world)) this.uuids.add(uuid);
  }

  async starts(): Promise<void> {
    const scripts = ["exit 3", "exec sleep 1000", "sleep 0.2", "trap '' TERM; while :; do :; done"];
    const flags = [
      ["--rm"],
      ["--restart=always", "--restart-delay=10ms"],
      ["--stop-timeout=10ms"],
      [],
    ];
    while (this.goesOn) {
      const words = this.world.words(one(scripts), `--set-env=MARKER=${this.word}`, ...one(flags));
      await this.command(...words.slice(1));
    }
  }

  async acts(): Promise<void> {
    const acts: readonly (readonly string[])[] = [
      ["stop", "--timeout=100ms"],
      ["stop", "--force"],
      ["rm"],
      ["status"],
      ["status", "--format=json"],
      ["enter"],
      ["cat-manifest"],
      ["list"],
      ["gc", "--grace-period=0s"],
      ["gc", "--mark-only"],
    ];
    while (this.goesOn) {
      const act = one(acts);
      if (["list", "gc"].includes(act[0])) {
        await this.command(...act);
        continue;
      }
      const uuids = uuidsOf(this.world);
      if (uuids.length > 0) {
        await this.command(...act, one(uuids), ...act[0] === "enter" ? ["/bin/true"] : []);
      } else await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Kills commands, or supervisors that they have become, not more than end by themselves; in the end all. */
  async kills(): Promise<void> {
    let killed = 0;
    while (this.goesOn) {
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 300));
      const running = [...this.#running];
      let ended = 0;
      for (const [kind, count] of this.ended) if (kind !== "killed") ended += count;
      if (running.length === 0 || killed > ended) continue;
      kill(one(running));
      killed += 1;
    }
    while (this.#running.size > 0) {
      for (const child of this.#running) kill(child);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function one<T>(of: readonly T[]): T {
  return of[Math.floor(Math.random() * of.length)];
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}

Deno.test("commands beside each other, some of them killed, leave a consistent list and a clean host", async () => {
  await using world = await World.make();
  const chaos = new Chaos(world);
  await Promise.all([
    chaos.starts(),
    chaos.starts(),
    chaos.starts(),
    chaos.acts(),
    chaos.acts(),
    chaos.kills(),
  ]);
  for (const kind of ["run", "killed", "stop", "gc"]) {
    assert.ok((chaos.ended.get(kind) ?? 0) > 0, `no ${kind}: ${JSON.stringify([...chaos.ended])}`);
  }
  assert.ok(chaos.uuids.size > 5);
  await collected(world, chaos.uuids, chaos.word);
  // And the world still turns.
  assert.equal(await world.output("echo alive"), "alive\n");
  assert.equal((await world.rkt("run", "--net=none", "--rm", BOX, "--", "-c", "exit 4")).code, 4);
});
