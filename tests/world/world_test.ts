import assert from "node:assert/strict";
import { nth, only } from "./nth.ts";
import { Random } from "./random.ts";
import { until, within } from "./until.ts";

Deno.test("until() returns when the condition holds, and names what it waited for when it does not", async () => {
  let looks = 0;
  await until(() => ++looks === 3, 10, "three looks");
  assert.equal(looks, 3);
  await assert.rejects(until(() => false, 0.01, "the moon"), /0\.01 s in vain for the moon/);
  await assert.rejects(until(() => Promise.resolve(false), 0.01, "the sun"), /for the sun/);
});

Deno.test("within() passes a result and a failure on, and gives up when neither comes", async () => {
  assert.equal(await within(Promise.resolve(5), 10, "five"), 5);
  await assert.rejects(within(Promise.reject(new Error("no")), 10, "yes"), /^Error: no$/);
  await assert.rejects(within(new Promise(() => {}), 0.01, "news"), /in vain for news/);
});

Deno.test("nth() and only() refuse lists that are too short, or too long", () => {
  assert.deepEqual([nth([1, 2], 1), nth([1, 2], -1), only([3])], [2, 2, 3]);
  assert.throws(() => nth([1], 1), /no element 1 in a list of 1/);
  assert.throws(() => only([1, 2]), /one element, not 2/);
});

Deno.test("Random gives the same numbers for the same seed, all over the range", () => {
  const [one, two, other] = [new Random(1), new Random(1), new Random(2)];
  const numbers = Array.from({ length: 1000 }, () => one.below(10));
  assert.deepEqual(numbers, Array.from({ length: 1000 }, () => two.below(10)));
  assert.notDeepEqual(numbers, Array.from({ length: 1000 }, () => other.below(10)));
  assert.deepEqual([...new Set(numbers)].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
