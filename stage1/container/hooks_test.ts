import assert from "node:assert/strict";
import { Section } from "../engine/plan.ts";
import { runHooks } from "./hooks.ts";

Deno.test("what is said of a hook that failed has no characters in it that a terminal obeys", () => {
  for (const failure of ["ends", { goesTo: "end" }] as const) {
    const s = new Section();
    const hook = { path: "/no\x1b]0;such\x07\n\x9b", arguments: [], environment: [] };
    runHooks(s, "createRuntime", [hook], [], failure);
    const said = s.items.flatMap((item) =>
      item.kind === "step" && item.call === "write" ? [item.arguments[1]] : []
    );
    assert.deepEqual(said, [
      "error running createRuntime hook 0 (/no\\x1b]0;such\\x07\\x0a\\x9b): it failed or took too long\n",
    ]);
  }
});
