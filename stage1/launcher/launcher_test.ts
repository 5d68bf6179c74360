import assert from "node:assert/strict";
import { SIGXFSZ } from "../../src/linux/constants.ts";
import { IGNORE_ACTION } from "../steps/signals.ts";
import { launcher, launcherPlan, launcherSize } from "./launcher.ts";

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

Deno.test("the launcher counts on no memory that begins as anything but zero bytes: nobody fills it", () => {
  const { setup } = launcherPlan(0, 0, "0".repeat(32));
  const memory = setup.flatMap((item) => item.kind === "step" ? item.arguments : []).flatMap((
    argument,
  ) => {
    const of = typeof argument === "object" && argument.kind === "address" ? argument.of : argument;
    return typeof of === "object" && of.kind === "struct" && of.mutable ? [of] : [];
  });
  assert.ok(memory.length > 0);
  for (const { name, fields } of memory) {
    for (const [field, , value] of fields) assert.equal(value, 0, `${field} of ${name}`);
  }
});

Deno.test("a file that gets larger than the limit ends rkt by no signal, so that it can tell of it", () => {
  const { setup } = launcherPlan(0, 0, "0".repeat(32));
  const actions = setup.flatMap((item) =>
    item.kind === "step" && item.call === "rt_sigaction" ? [item.arguments] : []
  );
  assert.ok(
    actions.some(([signal, action]) => signal === SIGXFSZ && action === IGNORE_ACTION),
    "SIGXFSZ is not ignored",
  );
});
