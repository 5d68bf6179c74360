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

/** The only element of a list. */
export function only<T>(list: readonly T[]): T {
  assert.equal(list.length, 1, `one element, not ${list.length}: ${Deno.inspect(list)}`);
  return nth(list, 0);
}
