/** What is done when a process that relays a terminal ends by itself. */
import { type Section, type Slot, slot } from "../engine/plan.ts";
import type { Terminal } from "./terminal.ts";

/** A relay or the guard has ended by itself. Without its output relay the app would be stuck, so the pod ends. */
export function relayEnded(steps: Section, child: Slot, { input, output, guard }: Terminal): void {
  for (const [name, process] of [["input", input], ["guard", guard], ["output", output]] as const) {
    const other = slot("difference");
    steps.compute("sub", [child, process], {
      store: other,
      branch: { when: "different", operand: 0, to: `not terminal ${name}` },
    });
    steps.set(process, 0);
    steps.goto(name === "output" ? "kill" : "reap");
    steps.label(`not terminal ${name}`);
  }
}
