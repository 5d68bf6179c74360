/**
 * `deno task test`: everything, on a machine that has nothing yet; ends with `N passed, N failed`.
 *
 *     deno task test                     install what is needed, then all of the below
 *     deno task test lint                formatter, linter, types, the lock file
 *     deno task test unit [FILTER]       the tests beside the sources
 *     deno task test e2e [FILTER]        build dist/rkt, then the tests in tests/ against it
 *
 * FILTER is that of `deno test --filter`.
 */
import { Failure } from "../src/failure.ts";
import { aarch64Deno } from "./foreign_deno.ts";
import { ACTOOL_NEEDS, provide, provideIfPackaged, QEMU_NEEDS, TEST_NEEDS } from "./needs.ts";
import { addCounts, type Counts, readCounts } from "./test_counts.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const SOURCES = ["main.ts", "src", "stage1", "scripts", "tests"];

/**
 * Tests that leave the host alone, so that they can run beside the others: the virtual machine, which only computes
 * once its image is made, and what is about images and the store, which have a directory and an address of their own.
 */
const BESIDE_TESTS = [
  "vm/vm",
  "images/actool",
  "images/fetch",
  "images/fetch_chaos",
  "images/fetch_faults",
  "images/fetch_refusals",
  "images/hostile_archives",
].map((name) => `tests/${name}_test.ts`);

/** A part of the run: a command of Deno, in the repository. */
interface Step {
  readonly group: "lint" | "unit" | "e2e";
  readonly args: readonly string[];
  /** Its output ends with the counts of `deno test`. */
  readonly counts?: true;
  /** When it fails, those after it make no sense. */
  readonly needed?: true;
  /** Runs beside those after it, up to the next of this kind; only then one sees what it prints. */
  readonly beside?: true;
}

const STEPS: readonly Step[] = [
  { group: "e2e", args: ["run", "--allow-all", "scripts/vm/image.ts"], beside: true },
  { group: "lint", args: ["fmt", "--check"] },
  { group: "lint", args: ["lint"] },
  { group: "lint", args: ["check", "--frozen", ...SOURCES] },
  {
    group: "unit",
    args: ["test", "--allow-all", "--frozen", "src", "stage1", "scripts"],
    counts: true,
  },
  { group: "e2e", args: ["run", "--allow-all", "scripts/build.ts"], needed: true },
  {
    group: "e2e",
    args: ["test", "--allow-all", "--frozen", ...BESIDE_TESTS],
    counts: true,
    beside: true,
  },
  {
    group: "e2e",
    args: ["test", "--allow-all", "--frozen", `--ignore=${BESIDE_TESTS}`, "tests"],
    counts: true,
  },
];

interface Ended {
  readonly success: boolean;
  readonly stdout: string;
}

/** Runs Deno with everything visible, or nothing of it, and keeps what it prints on stdout. */
async function runDeno(args: readonly string[], visible: boolean): Promise<Ended> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { RKT: Deno.env.get("RKT") ?? `${ROOT}dist/rkt` },
    stdout: "piped",
  }).spawn();
  const decoder = new TextDecoder();
  let stdout = "";
  for await (const bytes of process.stdout) {
    if (visible) await Deno.stdout.write(bytes);
    stdout += decoder.decode(bytes, { stream: true });
  }
  return { success: (await process.status).success, stdout };
}

/** Begins a step. */
function begin(step: Step, filter?: string): Promise<Ended> {
  const filtered = step.counts && filter !== undefined ? ["--filter", filter] : [];
  console.log(`\n$ deno ${step.args.join(" ")}${step.beside ? " &" : ""}`);
  return runDeno([...step.args, ...filtered], !step.beside);
}

/** What a step comes to. What fails without a failed test (lint, types, the build) counts as one failure. */
function countsOf(step: Step, { success, stdout }: Ended): Counts {
  const counts = step.counts ? readCounts(stdout) : { passed: 0, failed: 0 };
  return !success && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

async function runSteps(group?: string, filter?: string): Promise<Counts> {
  let total: Counts = { passed: 0, failed: 0 };
  let beside: readonly [Step, Promise<Ended>] | undefined;
  const join = async () => {
    if (beside === undefined) return;
    const [step, running] = beside;
    beside = undefined;
    const ended = await running;
    console.log(`\n$ deno ${step.args.join(" ")}\n${ended.stdout}`);
    total = addCounts(total, countsOf(step, ended));
  };
  for (const step of STEPS) {
    if (group !== undefined && step.group !== group) continue;
    if (step.beside) {
      await join();
      beside = [step, begin(step, filter)];
      continue;
    }
    const counts = countsOf(step, await begin(step, filter));
    total = addCounts(total, counts);
    if (step.needed && counts.failed > 0) break;
  }
  await join();
  return total;
}

async function prepare(group?: string): Promise<void> {
  if (group !== undefined && !STEPS.some((step) => step.group === group)) {
    throw new Failure(`test: no such part: ${group}; there are lint, unit, e2e`);
  }
  if (group === "lint") return;
  if (Deno.uid() !== 0) {
    throw new Failure(
      "test: the tests make namespaces, mounts and cgroups: run them as root, best in a virtual machine",
    );
  }
  await provide("test", TEST_NEEDS);
  if (group === "unit") return;
  await provideIfPackaged("test", ACTOOL_NEEDS, "tests/images/actool_test.ts");
  await provide("test", QEMU_NEEDS);
  await aarch64Deno();
}

if (import.meta.main) {
  const [group, filter] = Deno.args;
  try {
    await prepare(group);
    const { passed, failed } = await runSteps(group, filter);
    console.log(`\n${passed} passed, ${failed} failed`);
    if (failed > 0) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
