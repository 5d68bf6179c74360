import assert from "node:assert/strict";
import { Limiter } from "./limiter.ts";

Deno.test("Limiter.run() does so many pieces at a time, all of them, also where some fail", async () => {
  for (const most of [1, 3, 100]) {
    const limiter = new Limiter(most);
    let [now, highest, done] = [0, 0, 0];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) =>
        limiter.run(async () => {
          highest = Math.max(highest, ++now);
          await new Promise((resolve) => setTimeout(resolve, 0));
          now--;
          if (i % 7 === 0) throw new Error(`${i}`);
          done++;
        })),
    );
    assert.equal(highest, Math.min(most, 50));
    assert.equal(done, 42);
    assert.equal(outcomes.filter(({ status }) => status === "rejected").length, 8);
  }
});
