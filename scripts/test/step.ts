/** A part of a run of tests: a command of Deno, and how it went. */
import { APART } from "./apart.ts";
import { type Counts, hasCounts, readCounts } from "./counts.ts";
import { failedFile, type FailedTest, failedTests } from "./failed_tests.ts";
import { type Ended, runDeno } from "./run_deno.ts";

/** A command of Deno, in the repository. */
export interface Step {
  readonly args: readonly string[];
  readonly seconds: number;
  /** What its output ends with the counts of: a file of tests, all files below directories, or scripts in a machine. */
  readonly tests?: "file" | "files" | "machine";
  /** Words for the tests themselves. */
  readonly words?: readonly string[];
  /** Its output is printed as it comes, not at its end. */
  readonly visible?: boolean;
  /** It runs apart from the host: apart.ts. */
  readonly apart?: boolean;
}

/** What a step took, in seconds. */
export interface Cost {
  readonly elapsed: number;
  /** Of the processors; undefined where it was killed. */
  readonly processor: number | undefined;
}

/** How a step went. */
export interface Outcome {
  readonly step: Step;
  readonly counts: Counts;
  readonly failed: readonly FailedTest[];
  /** What it printed. */
  readonly output: string;
  /** It ran to its end, whatever failed. */
  readonly whole: boolean;
  readonly cost: Cost;
}

/** What a step is called: the last of its words, a file where it is one of tests. */
export const nameOf = ({ args }: Step): string => args.at(-1) ?? "";

/** Its name, and its words for the tests. */
export const titleOf = (step: Step): string => [nameOf(step), ...step.words ?? []].join(" ");

/** How it went, of what it printed. What fails without a failed test (lint, the build, a file that is killed) is one failure. */
export function outcomeOf(step: Step, ended: Ended, elapsed: number): Outcome {
  const { success, stdout: output, processor } = ended;
  const whole = step.tests !== undefined && hasCounts(output);
  const read = whole ? readCounts(output) : { passed: 0, failed: 0 };
  const counts = !success && read.failed === 0 ? { ...read, failed: 1 } : read;
  const named = step.tests === undefined ? [] : failedTests(output, nameOf(step));
  const failed = success
    ? []
    : whole && named.length > 0
    ? named
    : [...named, failedFile(output, step.tests === undefined ? step.args.join(" ") : nameOf(step))];
  return { step, counts, failed, output, whole, cost: { elapsed, processor } };
}

/**
 * Runs a step, and prints it with what it takes.
 *
 * @param filter words that choose tests
 * @param print prints a text and a line feed
 */
export async function runStep(
  step: Step,
  filter: readonly string[] = [],
  print: (text: string) => void = console.log,
): Promise<Outcome> {
  const words = step.words === undefined ? [] : ["--", ...step.words];
  const line = `$ deno ${[...step.args, ...words].join(" ")}`;
  if (step.visible) print(`\n${line}`);
  const began = performance.now();
  const args = step.tests === undefined ? step.args : [...step.args, ...filter, ...words];
  const ended = await runDeno(args, {
    ...{ seconds: step.seconds, visible: step.visible ?? false },
    ...step.apart && { before: APART },
  });
  const elapsed = (performance.now() - began) / 1000;
  const seconds = Math.round(elapsed);
  print(step.visible ? `(${seconds} s)` : `\n${line} (${seconds} s)\n${ended.stdout}`);
  return outcomeOf(step, ended, elapsed);
}
