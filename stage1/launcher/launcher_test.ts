import assert from "node:assert/strict";
import { launcher, launcherSize } from "./launcher.ts";

Deno.test("launcherSize() is that of the launcher, wherever it is", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    for (const build of [undefined, "0".repeat(32)]) {
      const options = { architecture, ...build !== undefined && { build } };
      for (const address of [0x40_0000, 0x5000_0000]) {
        const bytes = launcher(options, address, address + 0x1000);
        assert.equal(bytes.length, launcherSize(options));
      }
    }
  }
});
