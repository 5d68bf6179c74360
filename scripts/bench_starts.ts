/**
 * `deno task bench-starts [--before=RKT]`: what a repeated start costs, next to what the project promises, in one table and
 * less than five minutes. dist/rkt is measured as it is; `deno task build` makes it.
 *
 * With `--before`, `rkt version` is compared with that of another rkt.
 */
import { Failure } from "../src/failure.ts";
import { benchDirectory } from "./bench/directory.ts";
import {
  type CommandLine,
  type Contender,
  CONTENDERS,
  type Place,
  rktIn,
} from "./bench/contenders.ts";
import { measureRkt } from "./bench/memory.ts";
import { reported, row as tableRow } from "./bench/report.ts";
import { makeRootFs } from "./bench/root_fs.ts";
import { measureTimes, median } from "./bench/times.ts";
import { tool } from "./bench/tool.ts";
import { BENCH_NEEDS, provide } from "./needs.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** Rounds in alternating order, so that what else the machine does hits everyone alike. */
const RUNS = { rounds: 8, runs: 12, warmups: 2 };

/** What a repeated `rkt run --net=none` may cost at most, as a part of what others do. */
const RATIOS: Readonly<Record<string, number>> = { crun: 0.65, bwrap: 0.95, runc: 0.2 };

/** Milliseconds that a start with more than that may cost more. */
const MORE = 4;

/** So many are started at once, and rkt at least so many times faster than runc. */
const AT_ONCE = 100;
const FASTER = 3;

/** `rkt version` may vary by so much: no two runs of the same binary are alike. */
const SAME = 1.05;

/** KB of supervisor and init. */
const MEMORY = 64;

const IMAGE = "example.com/starts";

/** What the variants add, by their names. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  "default network": [],
  "a port": ["--port=http:18099"],
  "a volume": ["--net=none", "--volume=v,kind=host,source=/var/tmp", "--mount=volume=v,target=/v"],
  "a limit": ["--net=none", "--memory=64Mi"],
  "private users": ["--net=none", "--private-users"],
};

const row = (...cells: readonly string[]): string => tableRow(30, cells);
const ms = (seconds: number): string => `${(1000 * seconds).toFixed(1)} ms`;

function line(name: string, value: string, target: string, holds: boolean | undefined): void {
  console.log(row(name, value, target, holds === undefined ? "-" : holds ? "holds" : "MISSED"));
}

async function contenders(place: Place): Promise<Contender[]> {
  const ready: Contender[] = [];
  for (const name of ["crun", "bwrap", "runc"]) {
    try {
      const made = await CONTENDERS[name]?.(place);
      if (made !== undefined) ready.push(made);
    } catch (error) {
      if (!(error instanceof Failure) && !(error instanceof Deno.errors.NotFound)) throw error;
      console.log(`left out: ${name}: ${error.message}`);
    }
  }
  return ready;
}

/** An image with a port, and the command lines of rkt. */
async function starts(place: Place): Promise<Contender[]> {
  const file = `${place.dir}/starts.aci`;
  const flags = [`--name=${IMAGE}`, "--exec=/bin/true", "--port=http,protocol=tcp,port=80"];
  await tool(place.rkt, "image", "build", place.rootFs, file, ...flags);
  await tool(...rktIn(place), "fetch", file);
  const command = (flags: readonly string[]): CommandLine => [
    ...rktIn(place),
    ...["run", ...flags.filter((flag) => flag.startsWith("--net")), IMAGE],
    ...flags.filter((flag) => !flag.startsWith("--net")),
  ];
  const all: Contender[] = [{ name: "rkt", command: command(["--net=none"]) }];
  for (const [name, flags] of Object.entries(VARIANTS)) all.push({ name, command: command(flags) });
  for (const { command } of all) for (let i = 0; i < 2; i++) await tool(...command);
  return all;
}

/** Starts a second of many at once: the best of some tries. */
async function startsPerSecond(commands: readonly CommandLine[]): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < 3; i++) {
    const from = performance.now();
    const ended = await Promise.all(
      commands.map(([program, ...args]) =>
        new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).output()
      ),
    );
    if (ended.some(({ success }) => !success)) throw new Failure("bench: a start failed");
    best = Math.min(best, performance.now() - from);
  }
  return 1000 * commands.length / best;
}

const many = (make: (i: number) => CommandLine) =>
  Array.from({ length: AT_ONCE }, (_, i) => make(i));

function printTimes(times: ReadonlyMap<string, readonly number[]>): void {
  const own = times.get("rkt") ?? [];
  const rkt = median(own), least = Math.min(...own);
  console.log(`\n${row("what", "median", "minimum")}`);
  for (const [name, runs] of times) {
    console.log(
      row(name === "rkt" ? "rkt --net=none" : name, ms(median(runs)), ms(Math.min(...runs))),
    );
  }
  console.log(`\n${row("promise", "is", "target", "")}`);
  for (const [name, most] of Object.entries(RATIOS)) {
    const runs = times.get(name);
    const ratio = runs === undefined ? NaN : rkt / median(runs);
    const minima = runs === undefined ? NaN : least / Math.min(...runs);
    const value = runs === undefined ? "-" : `${ratio.toFixed(2)}/${minima.toFixed(2)}`;
    line(`× ${name}, median/minimum`, value, `<= ${most}`, runs && ratio <= most);
  }
  for (const name of Object.keys(VARIANTS)) {
    const more = 1000 * (median(times.get(name) ?? []) - rkt);
    line(`${name} more`, `${more.toFixed(1)} ms`, `<= ${MORE} ms`, more <= MORE);
  }
}

async function printAtOnce(place: Place, rkt: CommandLine, runc?: CommandLine): Promise<void> {
  const own = await startsPerSecond(many(() => rkt));
  const other = runc === undefined ? NaN : await startsPerSecond(
    many((i) => [...runc.slice(0, -1), `at-once-${i}`] as unknown as CommandLine),
  );
  const ratio = own / other;
  const value = `${own.toFixed(0)}/${other.toFixed(0)}`;
  line(`${AT_ONCE} at once, a second rkt/runc`, value, `>= ${FASTER}x`, runc && ratio >= FASTER);
  const { rss } = await measureRkt(place, rkt);
  line("memory of a pod", `${rss} KB`, `<= ${MEMORY} KB`, rss <= MEMORY);
}

async function printVersion(place: Place, before: string | undefined): Promise<void> {
  if (before === undefined) return line("rkt version", "no --before", `<= ${SAME}x`, undefined);
  const both = [["now", place.rkt], ["before", before]] as const;
  const times = await measureTimes(
    both.map(([name, program]) => ({ name, command: [program, "version"] })),
    place.dir,
    RUNS,
  );
  const [now, then] = both.map(([name]) => median(times.get(name) ?? []));
  const ratio = (now ?? NaN) / (then ?? NaN);
  line("rkt version, × before", ratio.toFixed(2), `<= ${SAME}`, ratio <= SAME);
}

async function bench(): Promise<void> {
  if (Deno.uid() !== 0) throw new Failure("bench: run it as root: it makes namespaces and mounts");
  await provide("bench", BENCH_NEEDS);
  const before = Deno.args.find((word) => word.startsWith("--before="))?.slice("--before=".length);
  const { path: dir, remove } = await benchDirectory();
  const place = { dir, rootFs: `${dir}/rootfs`, rkt: `${ROOT}dist/rkt`, empty: "" };
  try {
    await makeRootFs(place.rootFs);
    const [others, own] = [await contenders(place), await starts(place)];
    printTimes(await measureTimes([...own, ...others], dir, RUNS));
    const [rkt] = own;
    const runc = others.find(({ name }) => name === "runc");
    if (rkt !== undefined) await printAtOnce(place, rkt.command, runc?.command);
    await printVersion(place, before);
  } finally {
    await remove();
  }
}

if (import.meta.main) await reported(bench);
