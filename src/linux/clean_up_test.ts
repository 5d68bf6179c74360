import assert from "node:assert/strict";
import { cleanUp, quietly } from "./clean_up.ts";

Deno.test("cleanUp() does every step, and tells what failed of them", async () => {
  const done: string[] = [];
  const left = await cleanUp(
    () => void done.push("first"),
    () => {
      throw new Error("second failed");
    },
    () => Promise.reject(new TypeError("third failed")),
    async () => {
      await Promise.resolve();
      done.push("fourth");
    },
  );
  assert.deepEqual(done, ["first", "fourth"]);
  assert.deepEqual(left, ["second failed", "third failed"]);
});

Deno.test("quietly() lets the error that is under way through", () => {
  const act = () => {
    try {
      throw new Error("first");
    } finally {
      quietly(() => {
        throw new Error("second");
      });
    }
  };
  assert.throws(act, /^Error: first$/);
});
