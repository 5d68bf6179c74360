/** How many tests passed and failed. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** Two counts as one. */
export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed };
}

/** All lines that end the output of `deno test`: `ok | 6 passed (2 steps) | 0 failed | … (2s)`. */
function endings(output: string): readonly RegExpExecArray[] {
  // deno-lint-ignore no-control-regex -- colors
  const plain = output.replaceAll(/\x1b\[[\d;]*m/g, "");
  const line = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/gm;
  return Array.from(plain.matchAll(line));
}

/** Whether a run of tests has come to its end. */
export const hasCounts = (output: string): boolean => endings(output).length > 0;

/**
 * Reads the line that ends the output of `deno test`. Output without it (the tests did not even start) counts as one
 * failure.
 */
export function readCounts(output: string): Counts {
  const found = endings(output).at(-1);
  if (found === undefined) return { passed: 0, failed: 1 };
  return { passed: Number(found[1]), failed: Number(found[2]) };
}
