/** How a process of the plan waits for signals with as little memory as can be, and reads how a child has ended. */
import * as k from "../../src/linux/constants.ts";
import { MEMORY, PAGE } from "../engine/elf.ts";
import { type Section, type Slot, slot, type Struct } from "../engine/plan.ts";
import { SIGSET_SIZE, WAITED_FOR } from "./signals.ts";

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

/** The address of the program's name, which is the lowest that is of use on the stack: `ps` shows it. */
const TITLE = slot("title");

/** The first steps of all. */
export function findTitle(setup: Section): void {
  const stack = slot("stack");
  setup.compute("branchValue", [], { store: stack });
  setup.compute("add", [stack, 8], { store: stack });
  setup.compute("load", [stack], { store: TITLE });
}

/** Unmaps what is needed only until all processes have been made, and the part of the stack that no step uses. */
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
 * @param terminal whether a terminal is relayed, whose modes and size follow the caller's
 * @param waitedFor the signals
 * @param alive how long it waits at most, and the steps that say then, and at each signal, that the process lives
 */
export function waitForSignal(
  steps: Section,
  waiting: Section,
  signal: Slot,
  terminal: boolean,
  waitedFor: Struct = WAITED_FOR,
  alive?: { readonly time: Struct; readonly say: () => void },
): void {
  steps.label("supervise");
  giveBack(steps);
  steps.goto("wait");
  waiting.heading("supervisor: while there is nothing to do");
  waiting.label("wait");
  const { address, size } = MEMORY.resident;
  waiting.attempt("let go of what is not needed now", "madvise", [address, size, k.MADV_DONTNEED]);
  waiting.label("wait for a signal");
  const time = alive?.time ?? 0;
  waiting.attempt("wait for a signal", "rt_sigtimedwait", [waitedFor, 0, time, SIGSET_SIZE], {
    store: signal,
    branch: { when: "error", to: alive === undefined ? "wait for a signal" : "say that it lives" },
  });
  waiting.goto("a signal has come");
  if (alive !== undefined) {
    steps.label("say that it lives");
    alive.say();
    steps.goto("wait");
  }
  steps.label("a signal has come");
  alive?.say(); // with signals that come quickly the time would never be over
  steps.when(signal, k.SIGCHLD, "reap");
  steps.when(signal, k.SIGPIPE, "wait");
  // A shell that puts us into the foreground again has changed the modes of the terminal.
  steps.when(signal, k.SIGCONT, terminal ? "terminal raw" : "wait");
  // The app gets its signal from its own terminal.
  if (terminal) steps.when(signal, k.SIGWINCH, "terminal resize");
}
