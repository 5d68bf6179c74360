import { deepStrictEqual } from "node:assert/strict";
import { addCounts, readCounts } from "./counts.ts";

const OUTPUTS: Readonly<Record<string, [number, number]>> = {
  "a test ... ok (1ms)\n\nok | 6 passed | 0 failed (234ms)\n\n": [6, 0],
  "FAILED | 27 passed (3 steps) | 2 failed (1 step) (15s)\n\nerror: Test failed\n": [27, 2],
  "ok | 1 passed | 0 failed | 26 filtered out (2s)\n": [1, 0],
  "\x1b[0m\x1b[32mok\x1b[0m | 5 passed | 0 failed \x1b[38;5;245m(138ms)\x1b[0m\n": [5, 0],
  "ok | 9 passed | 0 failed (1s)\n ... said by a test\n\nFAILED | 2 passed | 1 failed (1s)\n": [
    2,
    1,
  ],
  "error: Type checking failed.\n": [0, 1],
  "": [0, 1],
};

for (const [output, [passed, failed]] of Object.entries(OUTPUTS)) {
  Deno.test(`readCounts() reads ${JSON.stringify(output).slice(0, 60)}`, () => {
    deepStrictEqual(readCounts(output), { passed, failed });
  });
}

Deno.test("addCounts() adds", () => {
  const sum = addCounts({ passed: 1, failed: 2 }, { passed: 3, failed: 4 });
  deepStrictEqual(sum, { passed: 4, failed: 6 });
});
