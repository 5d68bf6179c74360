import assert from "node:assert/strict";
import { stateLines, stateObject } from "./state_text.ts";

Deno.test("what the launcher prints of a state is what Deno prints of it", () => {
  const hard = '"pid": 0,\n  "status": "';
  const record = {
    ...{ ociVersion: hard, id: "c", bundle: hard, rootfs: "/ü", created: "now", owner: "root" },
    ...{ annotations: { [hard]: hard }, cgroups: {}, hasUsers: false },
    hooks: { poststart: [], poststop: [] },
  };
  const [beforePid, beforeStatus, afterStatus] = stateLines(record);
  const printed = `${beforePid}42${beforeStatus}running${afterStatus}`;
  assert.equal(printed, `${JSON.stringify(stateObject(record, 42, "running"), null, 2)}\n`);
});
