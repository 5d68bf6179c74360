/** Elements of lists that must have them. */
import assert from "node:assert/strict";
import { nth } from "../../stage1/testing/nth.ts";

export { nth };

/** The only element of a list. */
export function only<T>(list: readonly T[]): T {
  assert.equal(list.length, 1, `one element, not ${list.length}: ${Deno.inspect(list)}`);
  return nth(list, 0);
}
