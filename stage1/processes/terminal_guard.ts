/**
 * The guard of a terminal that a program of Deno's makes raw: a process of the engine that gives the terminal its modes
 * back when the program is killed. The program holds the reading end of the guard's standard output, and gets one byte
 * through it when the modes are remembered.
 */
import * as k from "../../src/linux/constants.ts";
import { mutableStruct, type Plan, Section, space } from "../engine/plan.ts";
import { giveBack } from "../output/relay.ts";

/** The guard; its standard input is the terminal. */
export function guardPlan(): Plan {
  const setup = new Section();
  const resident = new Section();
  const saved = space("the caller's modes", 40);
  setup.heading("guard of a terminal");
  setup.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-terminal"]);
  // What the terminal sends to its foreground is for the program; in the background a mode change would stop the guard.
  setup.must("leave the program's process group", "setpgid", [0, 0]);
  const everything = mutableStruct("sigset", ["signals", 8, 0x7fffffff]);
  setup.must("hold signals back", "rt_sigprocmask", [k.SIG_SETMASK, everything, 0, 8]);
  setup.must("read the terminal's modes", "ioctl", [0, k.TCGETS, saved]);
  setup.must("say so", "write", [1, "\n", 1]);
  const poll = mutableStruct("pollfd", ["fd", 4, 1], ["events", 2, 0], ["revents", 2, 0]);
  setup.label("wait");
  setup.attempt("wait for the program's end", "ppoll", [poll, 1, 0, 0, 8], {
    branch: { when: "less", operand: 1, to: "wait" },
  });
  setup.goto("give back");
  resident.label("give back");
  giveBack(resident, saved);
  resident.attempt("end the guard", "exit_group", [0]);
  return { setup: setup.items, resident: resident.items };
}
