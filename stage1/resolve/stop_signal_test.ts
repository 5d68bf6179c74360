import assert from "node:assert/strict";
import { parseStopSignal } from "./stop_signal.ts";

Deno.test("parseStopSignal() reads names and numbers", () => {
  const cases: readonly (readonly [string | undefined, number])[] = [
    [undefined, 15],
    ["", 15],
    ["SIGQUIT", 3],
    ["quit", 3],
    ["9", 9],
    ["SIGWINCH", 28],
    ["SIGRTMIN+3", 37],
    ["RTMIN", 34],
    ["SIGRTMAX-1", 63],
    ["64", 64],
  ];
  for (const [text, number] of cases) assert.equal(parseStopSignal(text, "app"), number, text);
});

Deno.test("parseStopSignal() refuses what is no signal", () => {
  for (const text of ["SIG", "SIGFOO", "0", "65", "-1", "SIGRTMIN+31", "SIGRTMAX-64"]) {
    assert.throws(() => parseStopSignal(text, "app"), { name: "Failure", message: /no signal/ });
  }
});
