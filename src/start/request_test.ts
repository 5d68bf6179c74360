import assert from "node:assert/strict";
import { checkRunOptions, NOT_RUN } from "./request.ts";

Deno.test("checkRunOptions() refuses a terminal for several apps", () => {
  const interactive = { ...NOT_RUN, interactive: true };
  checkRunOptions(interactive, 1, 0);
  checkRunOptions(NOT_RUN, 2, 0);
  assert.throws(() => checkRunOptions(interactive, 2, 0), /--interactive is for one app/);
});

Deno.test("checkRunOptions() refuses ports where no network leads them to the pod", () => {
  checkRunOptions({ ...NOT_RUN, network: { kind: "networks", networks: [] } }, 1, 1);
  for (
    const [kind, why] of [["none", /there is no network$/], ["host", /ports themselves$/]] as const
  ) {
    const options = { ...NOT_RUN, network: { kind } };
    checkRunOptions(options, 1, 0);
    assert.throws(() => checkRunOptions(options, 1, 1), why);
  }
});
