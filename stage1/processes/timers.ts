/** The timers of apps that may be started again: how long they rest, and how long they have run. */
import { RESTART } from "./app_table.ts";
import { APP, type Loop, TIMER } from "./init_state.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, mutableStruct, slot, struct } from "../engine/plan.ts";

/** It wakes init as the end of a child does; that is when init looks at apps anyway. */
const EVENT = struct("sigevent", ["value", 8, 0], ["signal", 4, k.SIGCHLD], [
  "notify",
  4,
  k.SIGEV_SIGNAL,
], ["", 48, new Uint8Array(48)]);

/** Before the loop: a timer for each app that may be started again. */
export function makeTimers({ steps, table }: Loop): void {
  const policy = slot("policy");
  const at = slot("timer");
  table.each(steps, "make timers", APP, (next) => {
    table.get(steps, APP, "restart", policy);
    steps.when(policy, RESTART.no, next);
    table.locate(steps, APP, "timer", at);
    const what = "make a timer for the next start of an app";
    steps.must(what, "timer_create", [k.CLOCK_MONOTONIC, EVENT, at]);
  });
}

/** Branches if the timer of the app still runs. */
export function unlessRanOut({ steps, table }: Loop, to: string): void {
  const left = mutableStruct(
    "itimerspec",
    ["interval", 8, 0],
    ["", 8, 0],
    ["seconds", 8, 0],
    ["nanoseconds", 8, 0],
  );
  table.get(steps, APP, "timer", TIMER);
  steps.attempt("see how long the timer still runs", "timer_gettime", [TIMER, left]);
  for (const offset of [16, 24]) {
    steps.compute("load", [addressOf(left, offset)], {
      branch: { when: "different", operand: 0, to },
    });
  }
}
