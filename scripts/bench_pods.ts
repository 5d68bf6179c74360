/**
 * `deno run -A scripts/bench_pods.ts`, a part of `deno task bench`: what a hundred pods cost.
 *
 * How many can be started and stopped per second, next to containers of podman and runc; how long a list of many pods
 * takes; how much memory stays with a pod. The binary and what it is compared with come from bench.ts.
 */
import { Failure } from "../src/failure.ts";
import { ENDED_PODS } from "../src/pod/view/ended_pods.ts";
import {
  type CommandLine,
  type Contender,
  CONTENDERS,
  type Place,
  PODMAN_RUN,
  podmanIn,
  rktIn,
} from "./bench/contenders.ts";
import { children, eventually, memoryOf } from "./bench/memory.ts";
import { removeAll, reported, row as tableRow, verdict } from "./bench/report.ts";
import { makeRootFs } from "./bench/root_fs.ts";
import { median } from "./bench/times.ts";
import { tool } from "./bench/tool.ts";
import { BENCH_NEEDS, provide } from "./needs.ts";

const ROOT = new URL("..", import.meta.url).pathname;

const PODS = 100;
const EXITED = 1000;

/** How many are started at the same time. */
const AT_ONCE = 4;

/** What the project promises. */
const LIST_BUDGET = 3;
const MEMORY_BUDGET = 64;

/** Something that can be started many times. */
interface Kind {
  readonly name: string;
  /** Starts the i-th one, and returns when its program runs. */
  start(i: number): Promise<void>;
  /** Ends all of them. */
  stop(): Promise<void>;
}

const SLEEP = ["-c", "echo up; exec sleep 1000"];

class RktPods implements Kind {
  readonly name = "rkt";
  readonly #pods: Deno.ChildProcess[] = [];

  constructor(readonly place: Place, readonly run: CommandLine) {}

  async start(): Promise<void> {
    const [command, ...first] = this.run;
    const args = [...first, "--exec=/bin/sh", "--", ...SLEEP];
    const pod = new Deno.Command(command, { args, stdin: "null", stdout: "piped" }).spawn();
    this.#pods.push(pod);
    const reader = pod.stdout.getReader();
    const { done } = await reader.read();
    await reader.cancel();
    if (done) throw new Failure("bench: a pod did not start");
  }

  async stop(): Promise<void> {
    const [rkt, dataDir] = rktIn(this.place);
    await tool(rkt, dataDir, "stop", ...await uuids(this.place));
    for (const pod of this.#pods) await pod.status;
  }
}

async function uuids(place: Place): Promise<string[]> {
  const [rkt, dataDir] = rktIn(place);
  const pods: readonly { readonly name: string; readonly state: string }[] = JSON.parse(
    await tool(rkt, dataDir, "list", "--format=json"),
  );
  return pods.filter(({ state }) => state === "running").map(({ name }) => name);
}

/** After CONTENDERS.runc has made the bundle. */
async function runcContainers({ dir }: Place): Promise<Kind> {
  const file = `${dir}/bundle/config.json`;
  const config = JSON.parse(await Deno.readTextFile(file));
  config.process.args = ["/bin/sleep", "1000"];
  await Deno.writeTextFile(file, JSON.stringify(config));
  const runc = ["--root", `${dir}/runc`];
  const ids: string[] = [];
  return {
    name: "runc",
    start: async (i) => {
      ids.push(`bench-${i}`);
      await quietly("runc", ...runc, "run", "--detach", "--bundle", `${dir}/bundle`, `bench-${i}`);
    },
    stop: async () => {
      for (const id of ids) await tool("runc", ...runc, "delete", "--force", id);
    },
  };
}

/** After CONTENDERS.podman has made the image. */
function podmanContainers(place: Place): Kind {
  const [podman, ...flags] = podmanIn(place);
  const run = ["run", "--detach", ...PODMAN_RUN, "localhost/bench:latest", "/bin/sleep", "1000"];
  return {
    name: "podman",
    start: async () => await quietly(podman, ...flags, ...run),
    stop: async () => void await tool(podman, ...flags, "rm", "--all", "--force", "--time=0"),
  };
}

/** Runs a program whose children keep its output open. */
async function quietly(command: string, ...args: string[]): Promise<void> {
  const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
  const { success } = await new Deno.Command(command, options).spawn().status;
  if (!success) throw new Failure(`bench: ${command} ${args.join(" ")} failed`);
}

async function prepared(name: string, place: Place): Promise<Contender> {
  const prepare = CONTENDERS[name];
  if (prepare === undefined) throw new Failure(`bench: no such contender: ${name}`);
  return await prepare(place);
}

async function kinds(place: Place): Promise<readonly Kind[]> {
  const { command } = await prepared("rkt", place);
  const found: Kind[] = [new RktPods(place, command)];
  for (const name of ["runc", "podman"]) {
    try {
      await prepared(name, place);
      found.push(name === "runc" ? await runcContainers(place) : podmanContainers(place));
    } catch (error) {
      if (!(error instanceof Failure) && !(error instanceof Deno.errors.NotFound)) throw error;
      console.log(`left out: ${name}: ${error.message}`);
    }
  }
  return found;
}

/** A pod that has ended, and copies of it: nothing but directories, to rkt. */
async function makeExited(place: Place, run: CommandLine): Promise<void> {
  await tool(...run);
  const directory = `${place.dir}/rkt/pods/run`;
  const [pod] = [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`);
  if (pod === undefined) throw new Failure("bench: the pod is gone");
  await together(EXITED - 1, async () => {
    await tool("cp", "-a", pod, `${directory}/${crypto.randomUUID()}`);
  });
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1000;
}

/** Does something `count` times, a few at once. */
async function together(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

const row = (...cells: readonly string[]): string => tableRow(36, cells);

async function compareStarts(all: readonly Kind[], running: () => Promise<void>): Promise<void> {
  console.log(`\n${row(`${PODS} at once`, "started/s", "stopped/s")}`);
  for (const kind of all) {
    const started = await seconds(() => together(PODS, (i) => kind.start(i)));
    if (kind.name === "rkt") await running();
    const stopped = await seconds(() => kind.stop());
    console.log(row(kind.name, (PODS / started).toFixed(1), (PODS / stopped).toFixed(1)));
  }
}

/**
 * The median times of some lists, in milliseconds. They take turns: what else the machine does is the same for all.
 */
async function listTimes(lists: readonly (() => Promise<unknown>)[]): Promise<readonly number[]> {
  const times: number[][] = lists.map(() => []);
  for (let round = 0; round < 20; round++) {
    for (const [i, list] of lists.entries()) times[i]?.push(1000 * await seconds(list));
  }
  return times.map(median);
}

async function compareLists(place: Place): Promise<void> {
  const [rkt, dataDir] = rktIn(place);
  await Deno.mkdir(`${place.dir}/empty`);
  // What a list keeps of pods that have ended is not there yet when they have just ended.
  const kept = `${place.dir}/rkt/${ENDED_PODS}`;
  const first = () => Deno.remove(kept).then(() => tool(rkt, dataDir, "list"));
  await tool(rkt, dataDir, "list");
  const [empty = NaN, ...times] = await listTimes([
    () => tool(rkt, `--dir=${place.dir}/empty`, "list"),
    first,
    () => tool(rkt, dataDir, "list"),
    () => tool(rkt, dataDir, "list", "--format=json"),
  ]);
  console.log(`\n${row("rkt list", "median")}`);
  console.log(row("no pods", `${empty.toFixed(1)} ms`));
  console.log(`${PODS} running, ${EXITED} exited pods:`);
  for (const [i, kind] of ["the first one after their end", "as text", "as JSON"].entries()) {
    const time = times[i] ?? NaN;
    console.log(row(kind, `${time.toFixed(1)} ms`, `${(time / empty).toFixed(2)}×`));
  }
  const ratio = Math.max(...times) / empty;
  const text = `${ratio.toFixed(2)}×`;
  console.log(verdict(`at most ${LIST_BUDGET}× an empty list`, text, ratio <= LIST_BUDGET));
}

/** Pods whose memory is measured: how many apps, and the flags of each. */
const MEASURED: readonly (readonly [apps: number, flags: readonly string[]])[] = [
  [1, []],
  [5, []],
  [100, []],
  [100, ["--restart=always", "--stdout=log"]],
];

async function comparePodMemory(run: CommandLine): Promise<void> {
  console.log(`\n${row("memory of a pod beside its apps", "resident", "its share")}`);
  let most = 0;
  for (const [apps, flags] of MEASURED) {
    const [command, ...args] = run;
    const image = args.pop() ?? "";
    const words = Array.from({ length: apps }, (_, i) => [
      ...i === 0 ? [] : ["---"],
      ...[image, `--name=app${i}`, ...flags, "--exec=/bin/sleep", "--", "1000"],
    ]).flat();
    const pod = new Deno.Command(command, { args: [...args, ...words], stdin: "null" }).spawn();
    try {
      const beside = await eventually(`a pod of ${apps} apps`, async () => {
        const beside = await children(pod.pid);
        const found = (await Promise.all(beside.map(children))).flat();
        const names = await Promise.all(found.map((pid) => Deno.readLink(`/proc/${pid}/exe`)));
        const running = names.filter((name) => name.endsWith("/bin/busybox")).length;
        return running === apps ? beside : undefined;
      });
      const { rss, pss } = await memoryOf([pod.pid, ...beside]);
      most = Math.max(most, rss);
      const said = [`${apps} app${apps === 1 ? "" : "s"}`, ...flags].join(" ");
      console.log(row(said, `${rss} KB`, `${pss} KB`));
    } finally {
      pod.kill("SIGTERM");
      await pod.status;
    }
  }
  console.log(verdict(`at most ${MEMORY_BUDGET} KB`, `${most} KB`, most <= MEMORY_BUDGET));
}

async function bench(): Promise<void> {
  if (Deno.uid() !== 0) throw new Failure("bench: run it as root: it makes namespaces and mounts");
  await provide("bench", BENCH_NEEDS);
  const dir = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "rkt-bench-" });
  const place: Place = {
    dir,
    rootFs: `${dir}/rootfs`,
    rkt: Deno.env.get("RKT") ?? `${ROOT}dist/rkt`,
    empty: `${ROOT}dist/empty`,
  };
  try {
    await makeRootFs(place.rootFs);
    const all = await kinds(place);
    const [rkt] = all;
    if (!(rkt instanceof RktPods)) throw new Failure("bench: rkt is missing");
    await makeExited(place, rkt.run);
    await compareStarts(all, () => compareLists(place));
    await comparePodMemory(rkt.run);
  } finally {
    await removeAll(dir);
  }
}

if (import.meta.main) await reported(bench);
