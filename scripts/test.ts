/**
 * `deno task test`: everything, on a machine that has nothing yet; ends with `N passed, N failed`.
 *
 *     deno task test                     install what is needed, then all of the below
 *     deno task test lint                formatter, linter, types, the lock file
 *     deno task test unit [FILTER]       the tests beside the sources
 *     deno task test e2e [FILTER]        build dist/rkt, then the tests in tests/ against it
 *
 * FILTER is that of `deno test --filter`. Lanes run beside each other. One has what the others must not disturb: after the
 * formatter, the linter and the types, file by file, the tests that change or count what is the host's. One has the unit tests,
 * and one for each release the virtual machine. Whichever is done takes files of what is left: tests that leave the host alone,
 * or run apart from it (test/apart.ts). Tests wait more than they compute, so this pays on two cores. Where the longest machine
 * was, two lanes go on.
 *
 * What failed runs once more, alone, at the end (test/second_attempt.ts). The output ends with what cost the processors most,
 * all that failed, and what passed only at the second attempt.
 */
import { Failure } from "../src/failure.ts";
import { aarch64Deno } from "./foreign_deno.ts";
import { ACTOOL_NEEDS, provide, provideIfPackaged, QEMU_NEEDS, TEST_NEEDS } from "./needs.ts";
import { costTable } from "./test/costs.ts";
import { coverageTable, figuresText, gather, readFigures } from "./test/coverage.ts";
import { podCgroups, removeCgroups } from "./test/left_cgroups.ts";
import { ROOT } from "./test/run_deno.ts";
import { secondAttempts, type Verdict } from "./test/second_attempt.ts";
import { type Outcome, runStep, type Step } from "./test/step.ts";
import { testFiles } from "./test/test_files.ts";
import { verdictText } from "./test/verdict.ts";
import { type Release, RELEASES } from "./vm/image.ts";

const SOURCES = ["main.ts", "src", "stage1", "scripts", "tests", "testdata"];

/** The tests in virtual machines: they take as long as many others, so that they begin first. */
const MACHINE = "tests/vm/vm_test.ts";

/**
 * Tests that look at all of the host, or at what is left on it, or need its users, its journal or its audit log. One after the
 * other, as long as others run apart.
 */
const ON_HOST = [
  ...["pods/many_pods", "pods/audit", "pods/logs", "pods/users", "pods/app_place", "pods/metadata"],
  ...["rootless/rootless", "equivalence/equivalence", "world/world", "cli/demo"],
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
  ...["systemd/systemd", "pods/kill", "pods/chaos", "images/fetch_refusals"],
  ...["images/fetch", "pods/start_cache", "images/bounds", "images/memory", "images/many_files"],
  ...["images/hostile_archives", "cli/hostile_text", "oci/podman", "pods/run_again", "net/ports"],
  ...["rootless/demo"],
].map((name) => `tests/${name}_test.ts`);

/** How long a command may take, in seconds, several times what it takes on a slow machine. */
const LIMIT = { file: 600, unit: 1500, machine: 2000, other: 900 };

const GROUPS = ["lint", "unit", "e2e"] as const;
type Group = typeof GROUPS[number];

const LINT: readonly Step[] = [["fmt", "--check"], ["lint"], ["check", "--frozen", ...SOURCES]]
  .map((args) => ({ args, seconds: LIMIT.other, visible: true }));
/** Where figures of coverage are gathered. */
const PROFILE = `${ROOT}coverage`;

/** Unit tests of random inputs by the ten thousand: to gather figures of coverage would cost them as much once more. */
const FUZZ_FILES = ["src", "stage1"].flatMap((directory) => testFiles(directory))
  .filter((path) => path.endsWith("fuzz_test.ts"));

/** They run apart, so that they don't disturb those that look at the host. */
const unitStep = (flags: readonly string[], paths: readonly string[]): Step => ({
  args: ["test", "--allow-all", "--frozen", "--no-check", ...flags, ...paths],
  seconds: LIMIT.unit,
  tests: "files",
  visible: true,
  apart: true,
});
const UNIT = unitStep(
  [`--ignore=${FUZZ_FILES.join(",")}`, ...gather(PROFILE)],
  ["src", "stage1", "scripts"],
);
const FUZZ = unitStep([], FUZZ_FILES);
const BUILD: Step = {
  args: ["run", "--allow-all", "scripts/build.ts"],
  seconds: LIMIT.other,
  visible: true,
};
/** Makes the disk of a machine, where it is not there yet. */
const diskStep = (release: Release): Step => ({
  args: ["run", "--allow-all", "scripts/vm/image.ts", release],
  seconds: LIMIT.machine,
});

const machineStep = (release: Release): Step => ({
  args: ["test", "--allow-all", "--frozen", "--no-check", MACHINE],
  words: [release],
  seconds: LIMIT.machine,
  tests: "machine",
});

/** Gets the packages that images of services are made of, where they are not there yet: tests apart have no network. */
const PACKAGES: Step = {
  args: ["run", "--allow-all", "tests/world/service_packages.ts"],
  seconds: LIMIT.machine,
};

/** What needs {@linkcode PACKAGES}. */
const SERVICES = "tests/images/services_test.ts";

/** The tests of one file. Types are the business of the lint. */
const fileStep = (path: string): Step => ({
  args: ["test", "--allow-all", "--frozen", "--no-check", path],
  seconds: LIMIT.file,
  tests: "file",
  apart: ![...ON_HOST, ...QUIET].includes(path),
});

/** Runs steps, and keeps how they went. */
class Run {
  readonly outcomes: Outcome[] = [];
  readonly #filter: readonly string[];

  constructor(filter?: string) {
    this.#filter = filter === undefined ? [] : ["--filter", filter];
  }

  /** Runs a step; whether it succeeded. */
  async step(step: Step): Promise<boolean> {
    const outcome = await runStep(step, this.#filter);
    this.outcomes.push(outcome);
    return outcome.failed.length === 0;
  }

  async steps(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.step(step);
  }

  verdict(): Promise<Verdict> {
    return secondAttempts(this.outcomes, (step) => runStep(step, this.#filter));
  }
}

/** What is in {@linkcode LONG} comes first. */
const rank = (path: string): number => LONG.includes(path) ? LONG.indexOf(path) : LONG.length;

async function runGroups(run: Run, groups: readonly Group[], filter?: string): Promise<void> {
  const lint = () => groups.includes("lint") ? run.steps(LINT) : Promise.resolve();
  const unit = async () => {
    if (!groups.includes("unit")) return;
    await run.steps([UNIT, FUZZ]);
    if (filter === undefined) {
      console.log(`\nunit tests: ${figuresText(readFigures(await coverageTable(PROFILE)))}`);
    }
  };
  if (!groups.includes("e2e")) {
    await lint();
    return await unit();
  }
  const left = testFiles("tests")
    .filter((path) => ![MACHINE, SERVICES, ...ON_HOST].includes(path))
    .toSorted((a, b) => rank(a) - rank(b));
  const rest = async () => {
    for (let path = left.shift(); path !== undefined; path = left.shift()) {
      await run.step(fileStep(path));
    }
  };
  const packages = run.step(PACKAGES).then(() => left.unshift(SERVICES));
  const build = run.step(BUILD);
  /** Runs what needs the program: nothing, where there is none. */
  const built = async (work: () => Promise<void>) => {
    if (await build) await work();
  };
  const machine = async (release: Release) => {
    await run.step(diskStep(release));
    await built(async () => {
      await run.step(machineStep(release));
      // The machine that ends last has computed all the time. Tests wait for two thirds of theirs, so that two take its place.
      await Promise.all(release === RELEASES[0] ? [rest(), rest()] : [rest()]);
    });
  };
  await Promise.all([
    ...RELEASES.toReversed().map(machine),
    build.then(unit).then(() => built(rest)),
    lint().then(() =>
      built(async () => {
        await run.steps(ON_HOST.map(fileStep));
        await packages;
        await rest();
      })
    ),
  ]);
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
    const run = new Run(filter);
    const began = performance.now();
    await runGroups(run, groups, filter);
    const elapsed = (performance.now() - began) / 1000;
    const verdict = await run.verdict();
    const left = podCgroups().filter((path) => !before.has(path));
    for (const path of removeCgroups(left)) console.log(`left with processes: ${path}`);
    console.log(`\n${costTable(run.outcomes, elapsed)}`);
    console.log(`\n${verdictText(verdict)}`);
    if (verdict.counts.failed > 0) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
