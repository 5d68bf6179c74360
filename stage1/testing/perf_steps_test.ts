import { deepStrictEqual } from "node:assert/strict";
import { countSteps } from "./perf_steps.ts";

const symbol = (name: string, address: number, size: number) => ({
  ...{ name, address, size, type: 1, section: ".text" },
});

Deno.test("countSteps() names what perf saw by the register of the step", () => {
  // As perf 6.1 prints them: with and without an address of the kernel, a name with a blank, an app after execve(2).
  const samples = `        rkt-init  ffffffff81396cc9 ABI:2    BX:0x400440
            true            40f573 ABI:2    BX:0x1020800
        rkt-init ABI:2    AX:0x0    BX:0x40047f
  rkt supervisor ABI:2    BX:0x400480

`;
  const symbols = [symbol("init waits", 0x400440, 64), symbol("wait for a signal", 0x400480, 64)];
  deepStrictEqual(countSteps(samples, symbols, "BX"), [
    [2, "rkt-init", "init waits"],
    [1, "rkt supervisor", "wait for a signal"],
  ]);
});
