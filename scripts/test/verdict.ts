/** What a run of tests ends with: all that failed, so that a log of which only the end is left still tells. */
import type { FailedTest } from "./failed_tests.ts";
import type { Verdict } from "./second_attempt.ts";

const titleOf = ({ file, name }: FailedTest): string => name === "" ? file : `${file}: ${name}`;

const messageOf = ({ message }: FailedTest): string => message === "" ? "" : `: ${message}`;

/** The lines; the last one is `N passed, N failed`. */
export function verdictText({ counts: { passed, failed }, ...verdict }: Verdict): string {
  return [
    ...verdict.remark === undefined ? [] : [verdict.remark],
    ...verdict.late.map((test) =>
      `passed only at the second attempt: ${titleOf(test)}${messageOf(test)}`
    ),
    ...verdict.failed.map((test) => `failed: ${titleOf(test)}${messageOf(test)}`),
    `${passed} passed, ${failed} failed`,
  ].join("\n");
}
