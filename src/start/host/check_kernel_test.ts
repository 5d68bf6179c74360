import assert from "node:assert/strict";
import { checkKernel } from "./check_kernel.ts";

Deno.test("kernels without what every pod needs are refused, with both versions", () => {
  for (
    const old of ["5.11.22", "5.4.0-150-generic", "4.18.0-553.el8_10.x86_64", "5.10.0-30-amd64"]
  ) {
    assert.throws(() => checkKernel(old), {
      message: `pods need Linux 5.12 or later, and this is ${old}`,
    });
  }
});

Deno.test("others are not, nor is a release that tells nothing", () => {
  for (const release of ["5.12.0", "5.14.0-427.el9", "6.1.0-18", "10.0", "custom", ""]) {
    checkKernel(release);
  }
  checkKernel();
});
