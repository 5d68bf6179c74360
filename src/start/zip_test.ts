import assert from "node:assert/strict";
import { zip } from "./zip.ts";

Deno.test("zip() pairs what stands at the same index", () => {
  assert.deepEqual(zip(["a", "b"], [1, 2]), [["a", 1], ["b", 2]]);
  assert.deepEqual(zip([], []), []);
  assert.deepEqual(zip(["a"], [undefined]), [["a", undefined]]);
});

Deno.test("zip() refuses lists of different lengths", () => {
  assert.throws(() => zip(["a", "b"], [1]), RangeError);
  assert.throws(() => zip(["a"], [1, 2]), RangeError);
});
