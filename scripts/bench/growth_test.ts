import { ok } from "node:assert/strict";
import { costOfOne, growth, type Sizes, type Times } from "./growth.ts";

const SIZES: Sizes = [1, 10, 100];
const times = (cost: (size: number) => number): Times => [cost(1), cost(10), cost(100)];

Deno.test("a linear cost may have a part that is paid once, and be cheap; a square one is found", () => {
  for (const once of [0, 5, 100]) {
    for (const one of [0, 0.01, 1, 10]) {
      ok(growth("linear", SIZES, times((n) => once + one * n)) <= 1, `${once} + ${one} n`);
      ok(growth("linear", SIZES, times((n) => once + one * n * Math.log2(n + 1))) <= 1);
    }
    ok(growth("linear", SIZES, times((n) => once + n * n)) > 1, `${once} + n²`);
  }
});

Deno.test("a constant cost may wobble, and not follow the size", () => {
  ok(growth("constant", SIZES, [5, 8, 6]) <= 1);
  ok(growth("constant", SIZES, [5, 8, 20]) > 1);
});

Deno.test("what is paid once is no cost of one more", () => {
  ok(Math.abs(costOfOne(SIZES, times((n) => 50 + 2 * n)) - 2) < 1e-9);
});
