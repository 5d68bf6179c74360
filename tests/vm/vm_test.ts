/** What takes a real systemd and cgroups of version 2: the scripts of tests/vm, all in one virtual machine. */
import assert from "node:assert/strict";
import { runInMachine } from "../../scripts/vm/machine.ts";
import { machineFiles, machineScripts } from "../../scripts/vm/scripts.ts";

Deno.test("in a virtual machine with systemd and cgroups of version 2", async (test) => {
  const scripts = machineScripts();
  assert.ok(scripts.length > 0);
  await using files = await machineFiles();
  const results = await runInMachine(files.path, scripts);
  for (const { name } of scripts) {
    await test.step(name, () => {
      const result = results.get(name);
      assert.equal(result?.code, 0, result?.output);
    });
  }
});
