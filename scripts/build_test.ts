import { match, strictEqual } from "node:assert/strict";
import { runSizeFault } from "./build.ts";

Deno.test("runSizeFault() takes what has grown by 2 %, and refuses what has grown by more", () => {
  strictEqual(runSizeFault(99_000, 100_000), undefined);
  strictEqual(runSizeFault(102_000, 100_000), undefined);
  match(runSizeFault(102_001, 100_000) ?? "", /^run loads 102\.0 KB, and it was 100\.0 KB: /);
});
