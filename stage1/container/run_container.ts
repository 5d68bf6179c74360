/** `rkt oci run`: the runtime starts the container that it has made, waits for it, and takes it away. */
import * as k from "../../src/linux/constants.ts";
import { addressOf, type Section, type Slot, slot } from "../engine/plan.ts";
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import { exitCode } from "../steps/wait.ts";
import { closeTerminal } from "../output/relay.ts";
import { relayEnded } from "../output/relay_ended.ts";
import { type Foreground, FOREGROUND_SIGNALS, relayForeground, terminalOf } from "./foreground.ts";
import { hookState, type Making, removeContainer, stoppedState } from "./making.ts";
import { runHooks } from "./hooks.ts";

/** What is passed on to the container, and its end. */
const WAITED_FOR = [
  k.SIGHUP,
  k.SIGINT,
  k.SIGQUIT,
  k.SIGTERM,
  k.SIGUSR1,
  k.SIGUSR2,
  k.SIGCHLD,
];

/** The steps of the runtime when the container is made. */
export function startAndWait(s: Section, making: Making): void {
  const { container, init } = making;
  const { directory, descriptors, run, hooks } = container;
  s.heading("runtime: the container is started");
  s.attempt("say that it is started", "unlinkat", [k.AT_FDCWD, `${directory}/exec.fifo`, 0]);
  s.must("start the process", "write", [descriptors.fifo, "\n", 1]);
  s.attempt("close the fifo", "close", [descriptors.fifo]);
  runHooks(s, "poststart", hooks.poststart, hookState(making, "running"), {
    goesTo: "failed",
  });
  if (run?.detached === true) return s.attempt("it runs", "exit_group", [0]);
  const code = awaitEnd(s, init, making.foreground);
  if (run?.keep !== true) {
    removeContainer(s, container);
    runHooks(s, "poststop", hooks.poststop, stoppedState(making), "passes");
  }
  s.attempt("end as the process ended", "exit_group", [code]);
}

/**
 * Waits for the end of a child, passing signals on to it.
 *
 * @param own the caller's terminal, where it is relayed to the child's
 * @returns the slot with its exit status
 */
export function awaitEnd(s: Section, child: Slot, own?: Foreground): Slot {
  const [signal, ended, status, code] = [
    slot("signal"),
    slot("ended"),
    slot("status"),
    slot("code"),
  ];
  const waitedFor = own === undefined ? WAITED_FOR : [...WAITED_FOR, ...FOREGROUND_SIGNALS];
  if (own !== undefined) relayForeground(s, own, child);
  s.label("supervise");
  s.label("wait for a signal");
  s.attempt("wait for a signal", "rt_sigtimedwait", [signalSet(waitedFor), 0, 0, SIGSET_SIZE], {
    store: signal,
    branch: { when: "error", to: "wait for a signal" },
  });
  s.when(signal, k.SIGCHLD, "reap");
  if (own !== undefined) {
    s.when(signal, k.SIGCONT, "terminal raw");
    s.when(signal, k.SIGWINCH, "terminal resize");
  }
  s.attempt("pass the signal on", "kill", [child, signal]);
  s.goto("wait for a signal");
  if (own !== undefined) {
    // The program can't go on without the relay of its output.
    s.label("kill");
    s.attempt("kill the program", "kill", [child, k.SIGKILL]);
    s.goto("wait for a signal");
  }
  s.label("reap");
  s.attempt("see which child ended", "wait4", [-1, addressOf(status), k.WNOHANG, 0], {
    store: ended,
    branch: { when: "less", operand: 1, to: "wait for a signal" },
  });
  if (own !== undefined) relayEnded(s, ended, terminalOf(own));
  s.compute("sub", [ended, child], {
    store: ended,
    branch: { when: "different", operand: 0, to: "reap" },
  });
  exitCode(s, status, code, "ended");
  s.label("ended");
  if (own !== undefined) closeTerminal(s, terminalOf(own));
  return code;
}
