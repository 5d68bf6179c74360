/** Whether a test notices a fault. */
import { readCounts } from "../test/counts.ts";
import { type Fault, type Noticer, planted, TableError } from "./fault.ts";
import { inOwnWorld } from "./own_world.ts";
import type { TreeCopy } from "./tree_copy.ts";

/** How long a command may take, in seconds: several times what it takes on an idle machine, since others may use this one. */
const LIMIT = { unit: 300, endToEnd: 600, build: 600 };

/** What a run of a test came to. */
export interface Run {
  /**
   * - `passed`: all tests passed, and there was at least one
   * - `failed`: at least one test failed
   * - `late`: it was killed at the end of its time
   * - `broken`: no test was run: the program can't be built or loaded
   */
  readonly end: "passed" | "failed" | "late" | "broken";
  readonly output: string;
}

/** What became of a fault. */
export interface Verdict {
  readonly fault: Fault;
  /** `noticed` and `late` count; `invalid`: the row of the table is wrong. */
  readonly end: "noticed" | "late" | "survived" | "invalid";
  /** The test that failed first, or what is wrong with the row. */
  readonly reason: string;
  readonly seconds: number;
}

const SELF_TEST = /^build: self-test "(.*)":/m;

/** Whether a test runs the built binary. */
export const isEndToEnd = ({ path }: Noticer) => path.startsWith("tests/");

/** Runs a command in the tree, for some seconds at most. */
async function runIn(
  tree: TreeCopy,
  command: readonly string[],
  seconds: number,
  rkt = tree.program,
): Promise<{ success: boolean; output: string; late: boolean }> {
  const [program = "", ...args] = ["timeout", "--signal=KILL", `${seconds}`, ...command];
  const env = { RKT: rkt, TMPDIR: tree.temporary, NO_COLOR: "1" };
  const options = { args, cwd: tree.root, env, stdin: "null" } as const;
  const { success, code, stdout, stderr } = await new Deno.Command(program, options).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  return { success, output, late: code === 137 };
}

/** Removes what tests have left in their directory. */
function removeTemporary(tree: TreeCopy): void {
  for (const { name } of Deno.readDirSync(tree.temporary)) {
    new Deno.Command("rm", { args: ["-rf", `${tree.temporary}/${name}`] }).outputSync();
  }
}

/** Runs a test on the tree as it is, in a world of its own. */
export async function runNoticer(tree: TreeCopy, noticer: Noticer): Promise<Run> {
  if (noticer.built && !tree.isBuilt()) {
    const build = ["deno", "run", "-A", "--frozen", "scripts/build.ts", "--quick"];
    const { success, output, late } = await runIn(tree, build, LIMIT.build);
    if (late) return { end: "late", output };
    // A build that is complete and fails its own test has noticed the fault.
    if (!success) return { end: SELF_TEST.test(output) ? "failed" : "broken", output };
  }
  const filter = noticer.filter === undefined ? [] : [`--filter=${noticer.filter}`];
  const test = ["deno", "test", "-A", "--frozen", "--no-check", ...filter, noticer.path];
  const seconds = isEndToEnd(noticer) ? LIMIT.endToEnd : LIMIT.unit;
  const rkt = noticer.built ? tree.program : tree.fromSources;
  const { success, output, late } = await runIn(tree, inOwnWorld(test), seconds, rkt);
  removeTemporary(tree);
  if (late) return { end: "late", output };
  const { passed, failed } = readCounts(output);
  if (success) return { end: passed > 0 ? "passed" : "broken", output };
  // A module that can't be loaded counts as a failed test of Deno's, but is no test that has noticed something.
  const ran = / \.\.\. .*FAILED/.test(output) || passed > 0;
  return { end: failed > 0 && ran ? "failed" : "broken", output };
}

/** The first test that failed. */
function firstFailure(output: string): string {
  const [, name = ""] = SELF_TEST.exec(output) ?? /^(.*?) \.\.\. .*FAILED/m.exec(output) ?? [];
  return name.trim();
}

/** Why a fault can't be planted. */
function rowFault(tree: TreeCopy, fault: Fault): string | undefined {
  try {
    planted(fault, Deno.readTextFileSync(`${tree.root}/${fault.file}`));
    return undefined;
  } catch (error) {
    if (error instanceof TableError || error instanceof Deno.errors.NotFound) return error.message;
    throw error;
  }
}

/**
 * Plants a fault and runs its test.
 *
 * @param passesClean whether the test passes without the fault
 */
export async function judge(
  tree: TreeCopy,
  fault: Fault,
  passesClean: (noticer: Noticer) => Promise<Run>,
): Promise<Verdict> {
  const begun = performance.now();
  const verdict = (end: Verdict["end"], reason: string): Verdict => ({
    ...{ fault, end, reason },
    seconds: (performance.now() - begun) / 1000,
  });
  const wrong = rowFault(tree, fault);
  if (wrong !== undefined) return verdict("invalid", wrong);
  const run = await tree.changed(
    fault.file,
    (text) => planted(fault, text),
    () => runNoticer(tree, fault.noticer),
  );
  if (run.end === "passed") return verdict("survived", "");
  if (run.end === "broken") {
    return verdict("invalid", `nothing runs with the fault: ${run.output.trim().slice(-600)}`);
  }
  const clean = await passesClean(fault.noticer);
  if (clean.end !== "passed") {
    return verdict(
      "invalid",
      `the test ends as ${clean.end} without the fault, too: ${firstFailure(clean.output)}`,
    );
  }
  return run.end === "late" ? verdict("late", "") : verdict("noticed", firstFailure(run.output));
}
