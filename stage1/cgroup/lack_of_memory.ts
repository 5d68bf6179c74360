/** What an app's memory counters say of its end. */
import { addressOf, type Section, type Slot, slot, type Space } from "../engine/plan.ts";
import type { PodApp } from "../pod.ts";

/** The name of the counter of processes that were killed, in the files of both versions, with the space behind it. */
const KILLS = "oom_kill ";

/** Says on standard error that an app was short of memory, where the counters say so: its status alone, 137, could mean anything. */
export function tellOfLack(
  steps: Section,
  app: PodApp,
  counters: Space,
  length: Slot,
): void {
  const at = slot("place in the counters");
  const end = slot("end of the counters");
  const rest = slot("rest of the counters");
  const same = slot("same");
  const digit = slot("digit");
  const next = `look on in the counters of ${app.name}`;
  const found = `found in the counters of ${app.name}`;
  const done = `told of the counters of ${app.name}`;
  const line =
    `stage1: app "${app.name}": it needed more memory than it may have, and the kernel killed ` +
    "processes of it; --memory gives it more\n";
  steps.compute("add", [addressOf(counters), 0], { store: at });
  steps.compute("add", [at, length], { store: end });
  steps.compute("sub", [end, KILLS.length], { store: end });
  steps.label(next);
  steps.compute("sub", [at, end], {
    store: rest,
    branch: { when: "less", operand: 0, to: `${next}: one` },
  });
  steps.goto(done);
  steps.label(`${next}: one`);
  steps.compute("same", [at, KILLS, KILLS.length], { store: same });
  steps.when(same, 1, found);
  steps.compute("add", [at, 1], { store: at });
  steps.goto(next);
  steps.label(found);
  steps.compute("add", [at, KILLS.length], { store: at });
  steps.compute("load", [at], { store: digit });
  steps.compute("and", [digit, 0xff], { store: digit });
  steps.when(digit, "0".charCodeAt(0), done);
  steps.attempt("say that memory was short", "write", [
    2,
    line,
    new TextEncoder().encode(line).length,
  ]);
  steps.label(done);
}
