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

/** What the supervisor lets init do, by a signal that nobody else has a use for. */
interface Leave {
  readonly signal: number;
  readonly what: string;
}

/** The signal is that of a coprocessor of old. */
export const APPS_MAY_START: Leave = { signal: k.SIGSTKFLT, what: "start the apps" };

/** The signal is that of a failing power supply, which the kernel sends to the host's init only. */
export const DIRECTORY_IS_MADE: Leave = { signal: k.SIGPWR, what: "use the pod's directory" };

/** What is held back for the loop that waits for `signals`, and for init's waits for the supervisor. */
export const heldBack = (signals: readonly number[]): Struct =>
  signalSet([...signals, APPS_MAY_START.signal, DIRECTORY_IS_MADE.signal]);

/** Steps of the supervisor. */
export function letInit(steps: Section, { signal, what }: Leave, init: Slot): void {
  steps.must(`let init ${what}`, "kill", [init, signal]);
}

/** Steps of init. Where the supervisor ends before, the kernel sends KILL, or ALRM: see dieWithSupervisor() of init.ts. */
export function awaitLeave(steps: Section, leave: Leave): void {
  const [again, given] = [`wait to ${leave.what}`, `init may ${leave.what}`];
  const signal = slot("signal");
  steps.set(signal, 0);
  steps.label(again);
  steps.attempt("wait for the supervisor", "rt_sigtimedwait", [
    signalSet([leave.signal, k.SIGALRM]),
    0,
    0,
    SIGSET_SIZE,
  ], { store: signal, branch: { when: "error", to: again } }); // EINTR: it was stopped for a while
  steps.when(signal, leave.signal, given);
  steps.attempt("the supervisor is dead", "exit_group", [128 + k.SIGKILL]);
  steps.label(given);
}

/** `struct sigaction` of the kernel (include/linux/signal_types.h) that restores the default. */
export const DEFAULT_ACTION: Struct = struct(
  "sigaction",
  ["handler", 8, 0],
  ["flags", 8, 0],
  ["restorer", 8, 0],
  ["mask", 8, 0],
);

/** The same, that ignores a signal (`SIG_IGN`). */
export const IGNORE_ACTION: Struct = struct(
  "sigaction",
  ["handler", 8, 1],
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
