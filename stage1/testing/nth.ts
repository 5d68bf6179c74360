/** Elements of lists that must have them. */
import assert from "node:assert/strict";

/**
 * The element at an index; from the end where the index is negative.
 *
 * @throws {assert.AssertionError} when the list is shorter
 */
export function nth<T>(list: readonly T[], index: number): T {
  const found = list.slice(index).at(0);
  assert.ok(
    found !== undefined,
    `no element ${index} in a list of ${list.length}: ${Deno.inspect(list)}`,
  );
  return found;
}

/** The first two elements of a list. */
export const pair = <T>(list: readonly T[]): [T, T] => [nth(list, 0), nth(list, 1)];

/** The first three elements of a list. */
export const triple = <T>(list: readonly T[]): [T, T, T] => [...pair(list), nth(list, 2)];
