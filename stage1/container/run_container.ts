/** `rkt oci run`: the runtime starts the container that it has made, waits for it, and takes it away. */
import * as k from "../../src/linux/constants.ts";
import { addressOf, type Section, type Slot, slot } from "../engine/plan.ts";
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import { exitCode } from "../steps/wait.ts";
import { hookState, type Making, removeContainer } from "./making.ts";
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
  runHooks(s, "poststart", hooks.poststart, hookState(making, "running"), false);
  if (run?.detached === true) return s.attempt("it runs", "exit_group", [0]);
  const code = awaitEnd(s, init);
  if (run?.keep !== true) {
    removeContainer(s, container);
    runHooks(s, "poststop", hooks.poststop, hookState(making, "running"), false);
  }
  s.attempt("end as the process ended", "exit_group", [code]);
}

/**
 * Waits for the end of a child, passing signals on to it.
 *
 * @returns the slot with its exit status
 */
export function awaitEnd(s: Section, child: Slot): Slot {
  const [signal, ended, status, code] = [
    slot("signal"),
    slot("ended"),
    slot("status"),
    slot("code"),
  ];
  s.label("wait for a signal");
  s.attempt("wait for a signal", "rt_sigtimedwait", [signalSet(WAITED_FOR), 0, 0, SIGSET_SIZE], {
    store: signal,
    branch: { when: "error", to: "wait for a signal" },
  });
  s.when(signal, k.SIGCHLD, "reap");
  s.attempt("pass the signal on", "kill", [child, signal]);
  s.goto("wait for a signal");
  s.label("reap");
  s.attempt("see which child ended", "wait4", [-1, addressOf(status), k.WNOHANG, 0], {
    store: ended,
    branch: { when: "less", operand: 1, to: "wait for a signal" },
  });
  s.compute("sub", [ended, child], {
    store: ended,
    branch: { when: "different", operand: 0, to: "reap" },
  });
  exitCode(s, status, code, "ended");
  s.label("ended");
  return code;
}
