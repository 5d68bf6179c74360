/**
 * What takes a real systemd, cgroups of version 2 or an older kernel: the scripts of tests/vm. All of them run on the
 * oldest kernel, and those about what the kernel does on the others too.
 */
import assert from "node:assert/strict";
import { runInMachine } from "../../scripts/vm/machine.ts";
import { RELEASES } from "../../scripts/vm/image.ts";
import { addServers, machineFiles, machineScripts } from "../../scripts/vm/scripts.ts";

const ABOUT_KERNELS = [
  "abi",
  "added_apps",
  "apparmor",
  "etc",
  "limits",
  "network",
  "notify",
  "unit",
  "users",
  "verity",
].map((name) => `${name}_test.sh`);

for (const release of RELEASES) {
  Deno.test(`in a virtual machine of ${release} with systemd and cgroups of version 2`, async (test) => {
    const scripts = machineScripts().filter(({ name }) =>
      release === RELEASES[0] || ABOUT_KERNELS.includes(name)
    );
    assert.ok(scripts.length >= ABOUT_KERNELS.length);
    await using files = await machineFiles();
    await addServers(files.path);
    const results = await runInMachine(release, files.path, scripts);
    for (const { name } of scripts) {
      await test.step(name, () => {
        const result = results.get(name);
        assert.equal(result?.code, 0, result?.output);
      });
    }
  });
}
