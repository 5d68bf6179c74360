/**
 * What is undone when something has failed: all of it, whatever fails of that in turn, because the first error is the one
 * that a person has to know.
 */

/** Does a step of clean-up. An error of it is lost: another one is under way. */
export function quietly(step: () => void): void {
  try {
    step();
  } catch {
    // The error that is under way matters more.
  }
}

/**
 * Does every step of a clean-up, one after the other, also behind one that fails.
 *
 * @returns what could not be undone, a line each
 */
export async function cleanUp(
  ...steps: readonly (() => unknown)[]
): Promise<readonly string[]> {
  const left: string[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      left.push(error instanceof Error ? error.message : String(error));
    }
  }
  return left;
}
