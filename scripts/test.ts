/**
 * `deno task test`: everything, on a machine that has nothing yet; ends with `N passed, N failed`.
 *
 *     deno task test                     install what is needed, then all of the below
 *     deno task test lint                formatter, linter, types, the lock file
 *     deno task test unit [FILTER]       the tests beside the sources
 *     deno task test e2e [FILTER]        build dist/rkt, then the tests in tests/ against it
 *
 * FILTER is that of `deno test --filter`. Three lanes run beside each other. One has what the others must not disturb: the
 * formatter, the linter, the unit tests, then, file by file, the tests that change or count what is the host's. Another one
 * has the virtual machine. The third, and whichever is done, take files of what is left: tests that leave the host alone, or run
 * apart from it (test/apart.ts). Tests wait more than they compute, so this pays on two cores.
 */
import { Failure } from "../src/failure.ts";
import { aarch64Deno } from "./foreign_deno.ts";
import { ACTOOL_NEEDS, provide, provideIfPackaged, QEMU_NEEDS, TEST_NEEDS } from "./needs.ts";
import { APART } from "./test/apart.ts";
import { addCounts, type Counts, readCounts } from "./test/counts.ts";
import { coverageTable, figuresText, gather, MeasuredRkt, readFigures } from "./test/coverage.ts";
import { podCgroups, removeCgroups } from "./test/left_cgroups.ts";
import { ROOT, runDeno } from "./test/run_deno.ts";
import { testFiles } from "./test/test_files.ts";

const SOURCES = ["main.ts", "src", "stage1", "scripts", "tests", "testdata"];

/** Takes as long as many others, so that it begins first. It only computes once its image is made. */
const MACHINE = "tests/vm/vm_test.ts";

/**
 * Tests that look at all of the host, or at what is left on it, or need its users, its journal or its audit log. One after the
 * other, as long as others run apart.
 */
const ON_HOST = [
  ...["pods/many_pods", "pods/audit", "pods/logs", "pods/users", "pods/app_place", "pods/metadata"],
  ...["rootless/rootless", "equivalence/equivalence", "world/world", "cli/demo"],
  "images/services", // its images are made of packages out of the network
].map((name) => `tests/${name}_test.ts`);

/**
 * Tests that leave the host alone: those of images and the store, which have a directory and an address of their own,
 * of packing, and chaos, which has a network namespace of its own and looks for its own pods only.
 */
const QUIET = [
  "pods/chaos",
  "images/fetch_refusals",
  "images/fetch_chaos",
  "images/hostile_archives",
  "images/fetch",
  "images/fetch_faults",
  "images/registry_commands",
  "images/registry_signatures",
  "images/registry_refusals",
  "images/registry_formats",
  "images/actool",
  "pack/pack",
  "systemd/systemd",
].map((name) => `tests/${name}_test.ts`);

/** What takes longest begins first, so that no lane waits for it at the end. */
const LONG = [
  ...["pods/chaos", "pods/kill", "cli/interactive", "images/fetch_refusals"],
  ...["images/fetch", "pods/start_cache", "net/ports", "images/fetch_chaos", "net/network_again"],
].map((name) => `tests/${name}_test.ts`);

/** How long a command may take, in seconds, several times what it takes on a slow machine. */
const LIMIT = { file: 600, unit: 900, machine: 1800, other: 900 };

const GROUPS = ["lint", "unit", "e2e"] as const;
type Group = typeof GROUPS[number];

/** A part of the run: a command of Deno, in the repository. */
interface Step {
  readonly args: readonly string[];
  readonly seconds: number;
  /** Its output ends with the counts of `deno test`. */
  readonly counts?: true;
  /** Its output is printed as it comes, not at its end. */
  readonly visible?: true;
  /** It runs apart from the host: test/apart.ts. */
  readonly apart?: boolean;
}

const LINT: readonly Step[] = [["fmt", "--check"], ["lint"], ["check", "--frozen", ...SOURCES]]
  .map((args) => ({ args, seconds: LIMIT.other, visible: true }));
/** Where figures of coverage are gathered. */
const PROFILE = `${ROOT}coverage`;

const UNIT: Step = {
  args: ["test", "--allow-all", "--frozen", ...gather(PROFILE), "src", "stage1", "scripts"],
  seconds: LIMIT.unit,
  counts: true,
  visible: true,
};
const BUILD: Step = {
  args: ["run", "--allow-all", "scripts/build.ts"],
  seconds: LIMIT.other,
  visible: true,
};
const IMAGE: Step = {
  args: ["run", "--allow-all", "scripts/vm/image.ts"],
  seconds: LIMIT.machine,
};

/**
 * Tests that run rkt from its sources once more, to be measured: short ones, which enter much of the command line, the store
 * and the start. All of them take an hour: `deno task coverage`.
 */
const MEASURED: Step = {
  args: [
    ...["test", "--allow-all", "--frozen", "--no-check"],
    ...["cli/image_inspect", "pods/prepare", "images/store"].map((name) => `tests/${name}_test.ts`),
  ],
  seconds: LIMIT.other,
};

/** The tests of one file. Types are the business of the lint. */
const fileStep = (path: string): Step => ({
  args: ["test", "--allow-all", "--frozen", "--no-check", path],
  seconds: path === MACHINE ? LIMIT.machine : LIMIT.file,
  counts: true,
  apart: ![MACHINE, ...ON_HOST, ...QUIET].includes(path),
});

/** Runs steps, and adds up what they come to. */
class Run {
  total: Counts = { passed: 0, failed: 0 };
  readonly #filter: readonly string[];

  constructor(filter?: string) {
    this.#filter = filter === undefined ? [] : ["--filter", filter];
  }

  /** Runs a step; whether it succeeded. What fails without a failed test (lint, the build) counts as one failure. */
  async step(
    { args, seconds, counts = undefined, visible = undefined, apart = false }: Step,
  ): Promise<boolean> {
    const line = `$ deno ${args.join(" ")}`;
    if (visible) console.log(`\n${line}`);
    const words = counts ? [...args, ...this.#filter] : args;
    const { success, stdout } = await runDeno(words, {
      ...{ seconds, visible: visible ?? false },
      ...apart && { before: APART },
    });
    if (!visible) console.log(`\n${line}\n${stdout}`);
    const read = counts ? readCounts(stdout) : { passed: 0, failed: 0 };
    const count = !success && read.failed === 0 ? { ...read, failed: 1 } : read;
    this.total = addCounts(this.total, count);
    return success;
  }

  async steps(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.step(step);
  }
}

/** What is in {@linkcode LONG} comes first. */
const rank = (path: string): number => LONG.includes(path) ? LONG.indexOf(path) : LONG.length;

async function runGroups(groups: readonly Group[], filter?: string): Promise<Counts> {
  const run = new Run(filter);
  const before = [
    ...groups.includes("lint") ? LINT : [],
    ...groups.includes("unit") ? [UNIT] : [],
  ];
  if (!groups.includes("e2e")) {
    await run.steps(before);
    return run.total;
  }
  // The build comes first: the virtual machine has the program in it.
  if (!await run.step(BUILD)) {
    await run.steps(before);
    return run.total;
  }
  const left = testFiles("tests").filter((path) => path !== MACHINE && !ON_HOST.includes(path))
    .toSorted((a, b) => rank(a) - rank(b));
  const rest = async () => {
    for (let path = left.shift(); path !== undefined; path = left.shift()) {
      await run.step(fileStep(path));
    }
  };
  const first = async () => {
    await run.steps(before);
    if (groups.includes("unit") && filter === undefined) await measure();
    await run.steps(ON_HOST.map(fileStep));
    await rest();
  };
  const second = async () => {
    await run.steps([IMAGE, fileStep(MACHINE)]);
    await rest();
  };
  await Promise.all([first(), second(), rest()]);
  return run.total;
}

/** Prints which part of the product the unit tests enter, with those of {@linkcode MEASURED}. */
async function measure(): Promise<void> {
  using rkt = new MeasuredRkt(PROFILE);
  const { seconds } = MEASURED;
  // They count where they run with the binary; from sources they only add to the figures.
  await runDeno(MEASURED.args, { seconds, visible: false, rkt: rkt.path, before: APART });
  console.log(`\n${figuresText(readFigures(await coverageTable(PROFILE)))}`);
}

async function prepare(groups: readonly Group[]): Promise<void> {
  if (!groups.includes("unit") && !groups.includes("e2e")) return;
  if (Deno.uid() !== 0) {
    throw new Failure(
      "test: the tests make namespaces, mounts and cgroups: run them as root, best in a virtual machine",
    );
  }
  await provide("test", TEST_NEEDS);
  if (!groups.includes("e2e")) return;
  await provideIfPackaged(
    "test",
    ACTOOL_NEEDS,
    "tests/images/actool_test.ts and tests/pods/validator_test.ts",
  );
  await provide("test", QEMU_NEEDS);
  await aarch64Deno();
}

if (import.meta.main) {
  const [group, filter] = Deno.args;
  try {
    const groups = GROUPS.filter((each) => group === undefined || each === group);
    if (groups.length === 0) {
      throw new Failure(`test: no such part: ${group}; there are ${GROUPS.join(", ")}`);
    }
    await prepare(groups);
    await Deno.remove(PROFILE, { recursive: true }).catch(() => {});
    const before = new Set(podCgroups());
    const { passed, failed } = await runGroups(groups, filter);
    const left = podCgroups().filter((path) => !before.has(path));
    for (const path of removeCgroups(left)) console.log(`left with processes: ${path}`);
    console.log(`\n${passed} passed, ${failed} failed`);
    if (failed > 0) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
