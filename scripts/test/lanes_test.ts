import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { inLanes } from "./lanes.ts";

Deno.test("inLanes() does all, in order, and never more than so many at a time", async () => {
  const begun: number[] = [];
  let now = 0, most = 0;
  await inLanes(2, [1, 2, 3, 4, 5], async (item) => {
    begun.push(item);
    most = Math.max(most, ++now);
    await Promise.resolve();
    now--;
  });
  deepStrictEqual(begun, [1, 2, 3, 4, 5]);
  strictEqual(most, 2);
});
