/**
 * A container's terminal where no engine asks for it over a socket: the caller's is relayed to it, as by `rkt run --interactive`.
 */
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot, zeroSlot } from "../engine/plan.ts";
import { openTerminal, relay, startRelay } from "../output/relay.ts";
import type { Terminal } from "../output/terminal.ts";

/** The caller's terminal, and the process that relays it. */
export interface Foreground {
  readonly pid: Slot;
  /** A pidfd of that process. */
  readonly alive: Slot;
  /** There when {@linkcode openForeground} has been called. */
  terminal?: Terminal;
}

/** Signals that are about the caller's terminal. */
export const FOREGROUND_SIGNALS = [k.SIGCONT, k.SIGWINCH] as const;

export const foreground = (): Foreground => ({
  pid: slot("self"),
  alive: slot("this process"),
});

/** Steps before the container's process is made. */
export function openForeground(s: Section, own: Foreground): void {
  s.attempt("get the own PID", "getpid", [], { store: own.pid });
  s.must("refer to this process", "pidfd_open", [own.pid, 0], { store: own.alive });
  own.terminal = openTerminal(s);
}

/** The terminal, where it is open. */
export function terminalOf({ terminal }: Foreground): Terminal {
  if (terminal === undefined) throw new Error("the terminal is not open");
  return terminal;
}

/** Steps when the process runs: its terminal is relayed until it ends. They go on at `supervise`. */
export function relayForeground(s: Section, own: Foreground, child: Slot): void {
  const ended = zeroSlot("end of the program");
  s.must("refer to the program's process", "pidfd_open", [child, 0], { store: ended });
  s.keep(own.alive, "the guard of the terminal watches it");
  s.keep(ended, "the relay of the output watches it");
  startRelay(s, terminalOf(own));
  relay(s, terminalOf(own), own, ended);
}
