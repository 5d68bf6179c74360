/**
 * `deno task bench`: what it costs to start a pod, and to keep it running, next to others.
 *
 * Everything runs /bin/true of the same root file system, in one run. The floor is an empty program packed
 * like rkt: what Deno itself costs. Who does not work on this machine is named and left out.
 */
import { Failure } from "../src/failure.ts";
import { benchDirectory } from "./bench/directory.ts";
import { type Contender, CONTENDERS, type Place } from "./bench/contenders.ts";
import { measureConmon, measureRkt, type Memory } from "./bench/memory.ts";
import { reported, row as tableRow, verdict } from "./bench/report.ts";
import { makeRootFs } from "./bench/root_fs.ts";
import { measureTimes, median } from "./bench/times.ts";
import { BENCH_NEEDS, provide } from "./needs.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** What the project promises: rkt's median start at most this many times another's. */
const TIME_BUDGETS: Readonly<Record<string, number>> = { floor: 1.35, runc: 1.15 };

/** And supervisor and pod init together at most this many KB resident. */
const MEMORY_BUDGET = 64;

async function build(): Promise<void> {
  const args = ["run", "--allow-all", `${ROOT}scripts/build.ts`, "--floor"];
  const { success } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (!success) throw new Failure("bench: the build failed");
}

async function prepareAll(place: Place): Promise<Contender[]> {
  const ready: Contender[] = [];
  for (const [name, prepare] of Object.entries(CONTENDERS)) {
    try {
      ready.push(await prepare(place));
    } catch (error) {
      if (!(error instanceof Failure) && !(error instanceof Deno.errors.NotFound)) throw error;
      console.log(`left out: ${name}: ${error.message}`);
    }
  }
  return ready;
}

const row = (...cells: readonly string[]): string => tableRow(24, cells);

function printTimes(times: ReadonlyMap<string, readonly number[]>): void {
  const rkt = median(times.get("rkt") ?? []);
  console.log(`\n${row("start", "minimum", "median", "rkt is")}`);
  for (const [name, runs] of times) {
    const ms = (seconds: number) => `${(1000 * seconds).toFixed(1)} ms`;
    const ratio = rkt / median(runs);
    const cells = [ms(Math.min(...runs)), ms(median(runs))];
    console.log(row(name, ...cells, Number.isNaN(ratio) ? "-" : `${ratio.toFixed(2)}×`));
  }
  if (Number.isNaN(rkt)) return;
  for (const [name, limit] of Object.entries(TIME_BUDGETS)) {
    const ratio = rkt / median(times.get(name) ?? []);
    if (Number.isNaN(ratio)) continue;
    console.log(verdict(`rkt at most ${limit}× ${name}`, `${ratio.toFixed(2)}×`, ratio <= limit));
  }
}

function printMemory(name: string, memory: Memory): void {
  const { processes, rss, pss } = memory;
  console.log(row(name, `${rss} KB`, `${pss} KB`, `${processes}`));
}

async function compareMemory(place: Place, ready: readonly Contender[]): Promise<void> {
  const rkt = ready.find((contender) => contender.name === "rkt");
  const podman = ready.find((contender) => contender.name === "podman");
  if (rkt === undefined && podman === undefined) return;
  console.log(`\n${row("memory of a running pod", "resident", "its share", "processes")}`);
  if (podman !== undefined) printMemory("conmon", await measureConmon(place));
  if (rkt === undefined) return;
  const memory = await measureRkt(place, rkt.command);
  printMemory("rkt supervisor, init", memory);
  const holds = memory.rss <= MEMORY_BUDGET;
  console.log(verdict(`at most ${MEMORY_BUDGET} KB resident`, `${memory.rss} KB`, holds));
}

async function bench(): Promise<void> {
  if (Deno.uid() !== 0) throw new Failure("bench: run it as root: it makes namespaces and mounts");
  await provide("bench", BENCH_NEEDS);
  await build();
  const { path: dir, remove } = await benchDirectory();
  const place: Place = {
    dir,
    rootFs: `${dir}/rootfs`,
    rkt: `${ROOT}dist/rkt`,
    empty: `${ROOT}dist/empty`,
  };
  try {
    await makeRootFs(place.rootFs);
    const ready = await prepareAll(place);
    printTimes(await measureTimes(ready, dir));
    await compareMemory(place, ready);
  } finally {
    await remove();
  }
}

if (import.meta.main) await reported(bench);
