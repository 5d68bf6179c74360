/** How many tests passed and failed. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** Two counts as one. */
export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed };
}

/**
 * Reads the line that ends the output of `deno test`: `ok | 6 passed (2 steps) | 0 failed | … (2s)`.
 * Output without it (the tests did not even start) counts as one failure.
 */
export function readCounts(output: string): Counts {
  // deno-lint-ignore no-control-regex -- colors
  const plain = output.replaceAll(/\x1b\[[\d;]*m/g, "");
  const line = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/gm;
  const found = Array.from(plain.matchAll(line)).at(-1);
  if (found === undefined) return { passed: 0, failed: 1 };
  return { passed: Number(found[1]), failed: Number(found[2]) };
}
