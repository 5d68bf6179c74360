/**
 * What a process of the plan has inherited of Deno and of whoever started rkt, and how it is undone.
 *
 * What is undone: dispositions and mask of signals, the soft limit of open files (here), personality and securebits
 * (`resetProcess`), umask, session, keyring, capabilities, descriptors, working directory, environment (stage1/app/app.ts).
 * What an app keeps on purpose, because it is how people say what a program may use: nice and scheduling policy, I/O
 * priority, CPU affinity, memory policy, timer slack, the other limits of processes, the core dump filter, the score for
 * lack of memory. What nobody can give back: no_new_privs, seccomp filters, locked securebits.
 */
import * as k from "../../src/linux/constants.ts";
import { addressOf, mutableStruct, type Section, slot } from "../engine/plan.ts";
import { DEFAULT_ACTION, heldBack, SIGSET_SIZE, WAITED_FOR_SIGNALS } from "./signals.ts";

/** What the apps would inherit of Deno and of the caller; and signals wait until they are asked for: those of `waitedFor`. */
export function undoInheritance(setup: Section, waitedFor = WAITED_FOR_SIGNALS): void {
  resetSignals(setup);
  setup.must("hold signals back", "rt_sigprocmask", [
    k.SIG_SETMASK,
    heldBack(waitedFor),
    0,
    SIGSET_SIZE,
  ]);
  limitOpenFiles(setup);
}

/** The number of signals (`_NSIG`, include/uapi/asm-generic/signal.h). */
const SIGNALS = 64;

/**
 * Every signal has its default effect. A program keeps ignoring what was ignored when it was executed: Deno ignores PIPE, a
 * shell's `&` INT and QUIT, and an app could not be stopped by them. HUP stays ignored, because that is how nohup(1)
 * lets programs outlive a terminal.
 */
export function resetSignals(setup: Section): void {
  const signal = slot("signal");
  const rest = slot("signals left");
  const next = "reset the next signal";
  setup.set(signal, k.SIGHUP + 1);
  setup.label(next);
  // Fails for KILL and STOP only, which nobody can ignore.
  setup.attempt("reset a signal", "rt_sigaction", [signal, DEFAULT_ACTION, 0, SIGSET_SIZE]);
  setup.compute("add", [signal, 1], { store: signal });
  setup.compute("sub", [signal, SIGNALS + 1], {
    store: rest,
    branch: { when: "less", operand: 0, to: next },
  });
}

/**
 * Personality and securebits are those of any other process: else the caller's `setarch` would choose addresses and what
 * `uname` says, and his securebits what the app's root may do. Locked securebits stay.
 */
export function resetProcess(steps: Section, at: string): void {
  steps.attempt(`have no other personality ${at}`, "personality", [k.PER_LINUX]);
  steps.attempt(`have no securebits ${at}`, "prctl", [k.PR_SET_SECUREBITS, 0, 0, 0, 0]);
}

/** Deno raised the soft limit to the hard one; programs that use select(2) break above 1024. */
export function limitOpenFiles(setup: Section): void {
  const limit = mutableStruct("rlimit64", ["soft", 8, 0], ["hard", 8, 0]);
  setup.must("read the limit of open files", "prlimit64", [0, k.RLIMIT_NOFILE, 0, limit]);
  setup.compute("put", [addressOf(limit), 1024]);
  // Fails only where the hard limit is below 1024; then the soft one is right as it is.
  setup.attempt("limit open files", "prlimit64", [0, k.RLIMIT_NOFILE, limit, 0]);
}
