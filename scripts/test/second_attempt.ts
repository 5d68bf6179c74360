/**
 * What failed runs once more, alone, when all else is done: a failure that comes of the load of the machine must not decide.
 * What passes then counts as passed, and is named. A test that is broken fails again; where more fails than load explains,
 * nothing runs again.
 */
import { addCounts, type Counts } from "./counts.ts";
import { type FailedTest, testsOfFiles } from "./failed_tests.ts";
import { type Outcome, type Step, titleOf } from "./step.ts";

/** So many files, or scripts of machines, run once more at most. */
export const MOST = 8;

/** What all second attempts may take, in seconds: what has not begun then stays failed. */
const SECONDS = 1500;

/** A part of a step that runs once more. */
export interface Again {
  readonly step: Step;
  /** What of the first attempt's counts it takes the place of. */
  readonly counts: Counts;
  readonly failed: readonly FailedTest[];
}

/** How all went in the end. */
export interface Verdict {
  readonly counts: Counts;
  readonly failed: readonly FailedTest[];
  /** What passed only at the second attempt. */
  readonly late: readonly FailedTest[];
  /** Why nothing ran once more, where that is to be said. */
  readonly remark?: string;
}

/** What of a step runs once more. */
export function againOf({ step, counts, failed, output, whole }: Outcome): readonly Again[] {
  if (failed.length === 0 || step.tests === undefined) return [];
  switch (step.tests) {
    case "file":
      return [{ step, counts, failed }];
    case "machine": {
      // A test's name is what its file takes to choose it.
      const words = failed.map(({ name }) => name);
      if (!whole || words.includes("")) return [{ step, counts, failed }];
      return [{ step: { ...step, words }, counts: { passed: 0, failed: words.length }, failed }];
    }
    case "files": {
      // Files that have not run at all can't be known.
      if (!whole) return [];
      const files = Map.groupBy(failed, ({ file }) => file);
      const tests = testsOfFiles(output);
      return Array.from(files, ([file, of]) => ({
        step: fileOf(step, file),
        counts: { passed: Math.max(0, (tests.get(file) ?? 0) - of.length), failed: of.length },
        failed: of,
      }));
    }
  }
}

/** A file of a step that is about directories: these are its last words, behind all flags. */
function fileOf(step: Step, file: string): Step {
  const flags = step.args.slice(0, step.args.findLastIndex((word) => word.startsWith("-")) + 1);
  return { ...step, args: [...flags, file], tests: "file", visible: false };
}

const size = ({ step, failed }: Again): number => step.tests === "machine" ? failed.length : 1;

const sameTest = (a: FailedTest) => (b: FailedTest) => a.file === b.file && a.name === b.name;

/** Takes a count out of another one, and puts one in its place. */
const replaced = (all: Counts, first: Counts, second: Counts): Counts =>
  addCounts(addCounts(all, { passed: -first.passed, failed: -first.failed }), second);

/**
 * Runs what failed once more, one after the other.
 *
 * @param outcomes how all steps went
 * @param run runs a step
 * @param print prints a text and a line feed
 */
export async function secondAttempts(
  outcomes: readonly Outcome[],
  run: (step: Step) => Promise<Outcome>,
  print: (text: string) => void = console.log,
): Promise<Verdict> {
  const counts = outcomes.map(({ counts }) => counts)
    .reduce(addCounts, { passed: 0, failed: 0 });
  const failed = outcomes.flatMap(({ failed }) => failed);
  const again = outcomes.flatMap(againOf);
  const many = again.reduce((sum, each) => sum + size(each), 0);
  if (many > MOST) {
    const remark =
      `${many} files or scripts failed: nothing is run once more for more than ${MOST}`;
    return { counts, failed, late: [], remark };
  }
  const end = performance.now() + SECONDS * 1000;
  let verdict: Verdict = { counts, failed, late: [] };
  for (const each of again) {
    if (performance.now() > end) break;
    print(`\nonce more, alone: ${titleOf(each.step)}`);
    verdict = withSecond(verdict, each, await run(each.step));
  }
  return verdict;
}

/** The verdict after a second attempt. */
function withSecond(before: Verdict, first: Again, second: Outcome): Verdict {
  // A process that was killed names no test, so that none is known to have passed.
  const passed = second.failed.length > 0 && !second.whole
    ? []
    : first.failed.filter((test) => !second.failed.some(sameTest(test)));
  return {
    counts: replaced(before.counts, first.counts, second.counts),
    failed: [...before.failed.filter((test) => !first.failed.includes(test)), ...second.failed],
    late: [...before.late, ...passed],
  };
}
