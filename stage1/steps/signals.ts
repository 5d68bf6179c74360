/** Signals: which ones the supervisor and init wait for, and how a process treats them. */
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot, type Struct, struct } from "../engine/plan.ts";

/** The signals that reach the apps. */
export const FORWARDED = [
  k.SIGHUP,
  k.SIGINT,
  k.SIGQUIT,
  k.SIGUSR1,
  k.SIGUSR2,
  k.SIGTERM,
  k.SIGWINCH,
];

/** Bytes of the kernel's `sigset_t`. */
export const SIGSET_SIZE = 8;

/** A signal set (`sigset_t`: bit n-1 is signal n). */
export function signalSet(signals: readonly number[]): Struct {
  return struct("sigset", ["signals", 8, signals.reduce((set, n) => set + 2 ** (n - 1), 0)]);
}

/**
 * What the supervisor and init wait for. Signals that stop a process (TSTP, TTIN, TTOU) keep their
 * effect, so that a shell's job control works on `rkt run`.
 */
export const WAITED_FOR_SIGNALS: readonly number[] = [
  ...FORWARDED,
  k.SIGALRM,
  k.SIGCHLD,
  k.SIGCONT,
  k.SIGPIPE,
];
export const WAITED_FOR: Struct = signalSet(WAITED_FOR_SIGNALS);

/** By this signal the supervisor lets init start the apps. Nobody else has a use for it: it is that of a coprocessor of old. */
const APPS_MAY_START = k.SIGSTKFLT;

/** What is held back for the loop that waits for `signals`, and for init's wait for the supervisor. */
export const heldBack = (signals: readonly number[]): Struct =>
  signalSet([...signals, APPS_MAY_START]);

/** Steps of the supervisor. */
export function letAppsStart(steps: Section, init: Slot): void {
  steps.attempt("let init start the apps", "kill", [init, APPS_MAY_START]);
}

/** Steps of init. Where the supervisor ends before, the kernel sends KILL, or ALRM: see dieWithSupervisor() of init.ts. */
export function awaitLeave(steps: Section): void {
  const [again, leave] = ["wait for the supervisor", "the apps may start"];
  const signal = slot("signal");
  steps.set(signal, 0);
  steps.label(again);
  steps.attempt("wait for the supervisor", "rt_sigtimedwait", [
    signalSet([APPS_MAY_START, k.SIGALRM]),
    0,
    0,
    SIGSET_SIZE,
  ], { store: signal, branch: { when: "error", to: again } }); // EINTR: it was stopped for a while
  steps.when(signal, APPS_MAY_START, leave);
  steps.attempt("the supervisor is dead", "exit_group", [128 + k.SIGKILL]);
  steps.label(leave);
}

/** `struct sigaction` of the kernel (include/linux/signal_types.h) that restores the default. */
export const DEFAULT_ACTION: Struct = struct(
  "sigaction",
  ["handler", 8, 0],
  ["flags", 8, 0],
  ["restorer", 8, 0],
  ["mask", 8, 0],
);

/** Sets a one-shot timer that sends SIGALRM after `seconds`; none means at once, and not never as for the kernel. */
export function alarm(steps: Section, seconds: number): void {
  const microseconds = Math.max(1, Math.round(seconds * 1e6));
  const timer = struct(
    "itimerval",
    ["interval", 8, 0],
    ["", 8, 0],
    ["seconds", 8, Math.floor(microseconds / 1e6)],
    ["microseconds", 8, microseconds % 1e6],
  );
  steps.attempt("end the grace time", "setitimer", [k.ITIMER_REAL, timer, 0]);
}
