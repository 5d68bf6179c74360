import { strictEqual } from "node:assert/strict";
import { median } from "./times.ts";

Deno.test("median() is the middle of an odd number and the mean of the middle two of an even one", () => {
  strictEqual(median([3, 1, 2]), 2);
  strictEqual(median([4, 1, 3, 2]), 2.5);
  strictEqual(median([7]), 7);
  strictEqual(median([]), NaN);
});
