/**
 * Telling a service manager how far the pod is: sd_notify(3), the protocol of systemd's `Type=notify`.
 *
 * Systemd believes only the unit's main process, which the supervisor is, and only init knows when the apps have started. So
 * init writes a byte to a pipe. The supervisor, which waits for signals, gets SIGIO for it (fcntl(2), `O_ASYNC`).
 */
import * as k from "../../src/linux/constants.ts";
import {
  type Section,
  type Slot,
  slot,
  space,
  type Struct,
  struct,
  zeroSlot,
} from "../engine/plan.ts";
import type { Notify } from "./manager_steps.ts";
import { splitPair } from "../steps/fd_passing.ts";
import { signalSet, WAITED_FOR_SIGNALS } from "../steps/signals.ts";

/** What the supervisor waits for where it is to tell a service manager. */
export const WAITED_FOR_TO_NOTIFY: Struct = signalSet([...WAITED_FOR_SIGNALS, k.SIGIO]);

/** The supervisor makes the pipe before it makes init. SIGIO waits until it is asked for. */
export function openNotify(setup: Section, socket: string, self: Slot): Notify {
  const notify: Notify = { receiver: slot("ready receiver"), sender: slot("ready sender"), socket };
  const pair = space("pipe", 8);
  const what = "hear of the start of the apps";
  setup.must(what, "pipe2", [pair, k.O_CLOEXEC]);
  splitPair(setup, pair, notify.receiver, notify.sender);
  setup.must(what, "fcntl", [notify.receiver, k.F_SETOWN, self]);
  setup.must(what, "fcntl", [notify.receiver, k.F_SETFL, k.O_NONBLOCK | k.O_ASYNC]);
  return notify;
}

/** Init: all apps have started. */
export function sayReady(steps: Section, { sender }: Notify): void {
  steps.attempt("say that all apps have started", "write", [sender, "1", 1]);
  steps.keep(
    sender,
    "nobody knows here that this happens once; each program of an app has it closed",
  );
}

/** The supervisor, behind the label `ready?`: something has happened at the pipe. */
export function passReady(steps: Section, { receiver, socket }: Notify): void {
  const byte = space("byte", 8);
  const count = slot("count");
  const told = zeroSlot("told that it is ready");
  steps.label("ready?");
  steps.attempt("read whether all apps have started", "read", [receiver, byte, 1], {
    store: count,
    branch: { when: "different", operand: 1, to: "wait" },
  });
  steps.when(told, 1, "wait");
  steps.set(told, 1);
  tell(steps, "the pod is ready", socket, "READY=1");
  steps.goto("wait");
}

/** Sends a message, like `STOPPING=1`, to the service manager. Nobody is there to hear that it failed. */
export function tell(steps: Section, what: string, socket: string, message: string): void {
  const file = slot("notify socket");
  const abstract = socket.startsWith("@");
  const name = new TextEncoder().encode(abstract ? `\0${socket.slice(1)}` : `${socket}\0`);
  const address = struct("sockaddr_un", ["family", 2, k.AF_UNIX], ["path", name.length, name]);
  steps.attempt("open a socket to the service manager", "socket", [
    k.AF_UNIX,
    k.SOCK_DGRAM | k.SOCK_CLOEXEC,
    0,
  ], { store: file });
  steps.attempt(`tell it that ${what}`, "sendto", [
    file,
    message,
    message.length,
    k.MSG_NOSIGNAL,
    address,
    2 + name.length,
  ]);
  steps.attempt("close the socket", "close", [file]);
}
