/**
 * The supervisor: what `rkt run` becomes. It makes the pod's init, passes signals on to it, and ends as the pod
 * ended. It runs in the namespaces of its caller and holds the pod's lock.
 */
import { type Cgroups, makeCgroups, removeCgroups } from "../cgroup/cgroup.ts";
import { leaveNamespaceToInit, tearDownNetwork } from "./network.ts";
import * as k from "../../src/linux/constants.ts";
import { bearOnTheWay } from "../root/private_users.ts";
import { MEMORY, PAGE } from "../engine/elf.ts";
import {
  addressOf,
  mutableStruct,
  type Section,
  type Sections,
  type Slot,
  slot,
  type Struct,
  struct,
} from "../engine/plan.ts";
import {
  awaitOutput,
  openOutput,
  type Output,
  outputEnded,
  startOutput,
} from "../output/output.ts";
import type { Pod } from "../pod.ts";
import { makePodDirectory } from "../steps/pod_directory.ts";
import type { Terminals } from "../output/streams.ts";
import { removePod } from "./removal.ts";
import {
  closeTerminal,
  openTerminal,
  relay,
  startRelay,
  type Terminal,
} from "../output/terminal.ts";

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
export const WAITED_FOR: Struct = signalSet([
  ...FORWARDED,
  k.SIGALRM,
  k.SIGCHLD,
  k.SIGCONT,
  k.SIGPIPE,
]);

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

/**
 * Turns a wait status (wait(2)) into an exit status: n for exit(n), 128+n for death by signal n.
 * Branches to `to` with the result in `code`.
 */
export function exitCode(steps: Section, status: Slot, code: Slot, to: string): void {
  steps.compute("and", [status, 0x7f], {
    store: code,
    branch: { when: "different", operand: 0, to: `${to} signal` },
  });
  steps.compute("shr", [status, 8], { store: code });
  steps.compute("and", [code, 0xff], { store: code, branch: { when: "always", to } });
  steps.label(`${to} signal`);
  steps.compute("add", [code, 128], { store: code, branch: { when: "always", to } });
}

/** What the supervisor hands on to init. */
export interface Supervisor {
  /** Where the supervisor has init's PID. */
  readonly init: Slot;
  /** A pidfd of the supervisor, for init to see whether it still lives. */
  readonly alive: Slot;
  readonly terminals: Terminals;
  readonly cgroups?: Cgroups;
  /** The processes of the apps' output. */
  readonly output: Output;
}

/**
 * The supervisor's part of the plan up to the birth of init, and its loop.
 *
 * @param namespaces the `CLONE_NEW*` flags of the pod
 */
export function supervise(
  { setup, resident, waiting }: Sections,
  pod: Pod,
  namespaces: number,
): Supervisor {
  const pid = slot("self");
  const alive = slot("supervisor");
  const init = slot("init");
  setup.heading("supervisor: this process, in the caller's namespaces");
  findTitle(setup);
  setup.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-supervisor"]);
  undoInheritance(setup);
  makePodDirectory(setup, pod);
  const cgroups = makeCgroups(setup, pod);
  setup.heading("supervisor: the pod");
  setup.attempt("get the own PID", "getpid", [], { store: pid });
  setup.must("refer to the supervisor", "pidfd_open", [pid, 0], { store: alive });
  const terminal = pod.interactive ? openTerminal(setup) : undefined;
  const output = openOutput(setup, pod);
  if (pod.privateUsers !== undefined) bearOnTheWay(setup, init);
  else {
    setup.must("make the pod's namespaces and init", "clone", [
      namespaces | k.SIGCHLD,
      0,
      0,
      0,
      0,
    ], { store: init });
    setup.when(init, 0, "init");
  }
  setup.heading("supervisor: the pod is on its way");
  leaveNamespaceToInit(setup, pod);
  startOutput(setup, pod, output, init);
  if (terminal !== undefined) startRelay(setup, terminal);
  else {
    // Whoever reads the app's output or feeds its input must not wait for us.
    setup.attempt("let go of the input", "close", [0]);
    setup.attempt("let go of the output", "close", [1]);
    setup.goto("supervise");
  }
  loop(
    resident,
    waiting,
    init,
    pod.stopTimeout,
    output,
    () => {
      tearDownNetwork(resident, pod);
      removeCgroups(resident, pod, cgroups);
      removePod(resident, pod);
    },
    terminal,
  );
  if (terminal !== undefined) relay(resident, terminal, { pid, alive });
  return {
    init,
    alive,
    output,
    cgroups,
    terminals: { interactive: terminal, passage: output.passage },
  };
}

/** What the apps would inherit of Deno and of the caller; and signals wait until they are asked for. */
export function undoInheritance(setup: Section): void {
  // Deno ignores SIGPIPE, and the caller may have ignored SIGCHLD.
  setup.must("reset SIGPIPE", "rt_sigaction", [k.SIGPIPE, DEFAULT_ACTION, 0, SIGSET_SIZE]);
  setup.must("reset SIGCHLD", "rt_sigaction", [k.SIGCHLD, DEFAULT_ACTION, 0, SIGSET_SIZE]);
  setup.must("hold signals back", "rt_sigprocmask", [k.SIG_SETMASK, WAITED_FOR, 0, SIGSET_SIZE]);
  limitOpenFiles(setup);
}

/** Deno raised the soft limit to the hard one; programs that use select(2) break above 1024. */
export function limitOpenFiles(setup: Section): void {
  const limit = mutableStruct("rlimit64", ["soft", 8, 0], ["hard", 8, 0]);
  setup.must("read the limit of open files", "prlimit64", [0, k.RLIMIT_NOFILE, 0, limit]);
  setup.compute("put", [addressOf(limit), 1024]);
  // Fails only where the hard limit is below 1024; then the soft one is right as it is.
  setup.attempt("limit open files", "prlimit64", [0, k.RLIMIT_NOFILE, limit, 0]);
}

/** The address of the program's name, which is the lowest that is of use on the stack: `ps` shows it. */
const TITLE = slot("title");

/** The first steps of all. */
export function findTitle(setup: Section): void {
  const stack = slot("stack");
  setup.compute("branchValue", [], { store: stack });
  setup.compute("add", [stack, 8], { store: stack });
  setup.compute("load", [stack], { store: TITLE });
}

/** When all processes are born: what only those need, and all of the stack that no step needs. */
function giveBack(steps: Section): void {
  const size = slot("size");
  const { address } = MEMORY.afterOutput;
  const page = PAGE[Deno.build.arch];
  steps.compute("and", [TITLE, -page], { store: size });
  steps.compute("sub", [size, address], { store: size });
  steps.attempt("give the plan's memory back", "munmap", [address, size]);
}

/**
 * Behind the labels `supervise` and `wait`: waits for a signal, and sees to those that are not to be passed on.
 *
 * @param waiting what goes on while all else is let go of
 */
export function waitForSignal(
  steps: Section,
  waiting: Section,
  signal: Slot,
  terminal?: Terminal,
): void {
  steps.label("supervise");
  giveBack(steps);
  steps.goto("wait");
  waiting.heading("supervisor: while there is nothing to do");
  waiting.label("wait");
  const { address, size } = MEMORY.resident;
  waiting.attempt("let go of what is not needed now", "madvise", [address, size, k.MADV_DONTNEED]);
  waiting.label("wait for a signal");
  waiting.attempt("wait for a signal", "rt_sigtimedwait", [WAITED_FOR, 0, 0, SIGSET_SIZE], {
    store: signal,
    branch: { when: "error", to: "wait for a signal" },
  });
  waiting.goto("a signal has come");
  steps.label("a signal has come");
  steps.when(signal, k.SIGCHLD, "reap");
  steps.when(signal, k.SIGPIPE, "wait");
  // A shell that puts us into the foreground again has changed the modes of the terminal.
  steps.when(signal, k.SIGCONT, terminal === undefined ? "wait" : "terminal raw");
  // The app gets its signal from its own terminal.
  if (terminal !== undefined) steps.when(signal, k.SIGWINCH, "terminal resize");
}

function loop(
  steps: Section,
  waiting: Section,
  init: Slot,
  stopTimeout: number,
  output: Output,
  cleanUp: () => void,
  terminal?: Terminal,
): void {
  const signal = slot("signal");
  const child = slot("child");
  const status = slot("status");
  const code = slot("code");
  const stopping = slot("stopping");
  const graceOver = slot("grace over");
  steps.heading("supervisor: wait");
  waitForSignal(steps, waiting, signal, terminal);
  steps.when(signal, k.SIGALRM, "grace over");
  steps.when(signal, k.SIGTERM, "asked to stop");
  steps.when(signal, k.SIGINT, "asked to stop");
  steps.label("forward");
  steps.attempt("pass the signal on to the pod", "kill", [init, signal]);
  steps.goto("wait");

  steps.label("asked to stop");
  steps.when(graceOver, 1, "kill");
  steps.when(stopping, 1, "forward");
  steps.set(stopping, 1);
  alarm(steps, stopTimeout);
  steps.goto("forward");

  steps.label("grace over");
  steps.set(graceOver, 1);
  steps.goto("wait");

  // Init kills its apps on this signal, and notes how each of them ended.
  steps.label("kill");
  steps.attempt("kill the pod", "kill", [init, k.SIGALRM]);
  steps.goto("wait");

  steps.label("reap");
  steps.attempt("see which child ended", "wait4", [-1, addressOf(status), k.WNOHANG, 0], {
    store: child,
    branch: { when: "less", operand: 1, to: "wait" },
  });
  const other = slot("difference");
  if (terminal !== undefined) relayEnded(steps, child, terminal);
  outputEnded(steps, output, child, "reap");
  steps.compute("sub", [child, init], {
    store: other,
    branch: { when: "different", operand: 0, to: "reap" },
  });
  exitCode(steps, status, code, "end");
  steps.label("end");
  if (terminal !== undefined) closeTerminal(steps, terminal);
  awaitOutput(steps, output);
  cleanUp();
  steps.attempt("end as the pod ended", "exit_group", [code]);
}

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
