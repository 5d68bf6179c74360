/**
 * Telling a service manager how far the pod is: sd_notify(3), the protocol of systemd's `Type=notify`.
 *
 * Systemd believes only the unit's main process, which the supervisor is, and only init knows when the apps have started. So
 * init writes a byte to a pipe. The supervisor, which waits for signals, gets SIGIO for it (fcntl(2), `O_ASYNC`). Apps that speak
 * for themselves: relay_notify.ts.
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
import type { PodApp } from "../pod.ts";
import { openAppSockets, relayApp } from "./relay_notify.ts";
import { splitPair } from "../steps/fd_passing.ts";
import { WAITED_FOR_SIGNALS } from "../steps/signals.ts";

/** What the supervisor waits for where it is to tell a service manager. */
export const WAITED_FOR_TO_NOTIFY: readonly number[] = [...WAITED_FOR_SIGNALS, k.SIGIO];

/** The supervisor makes the pipe, and the apps' sockets, before it makes init. SIGIO waits until it is asked for. */
export function openNotify(
  setup: Section,
  socket: string,
  self: Slot,
  apps: readonly PodApp[],
): Notify {
  const receiver = slot("ready receiver");
  const sender = slot("ready sender");
  const pair = space("pipe", 8);
  const what = "hear of the start of the apps";
  setup.must(what, "pipe2", [pair, k.O_CLOEXEC]);
  splitPair(setup, pair, receiver, sender);
  setup.must(what, "fcntl", [receiver, k.F_SETOWN, self]);
  setup.must(what, "fcntl", [receiver, k.F_SETFL, k.O_NONBLOCK | k.O_ASYNC]);
  return { receiver, sender, self, socket, apps: openAppSockets(setup, apps, self) };
}

/** Steps of init, which has no use for the supervisor's ends. */
export function leaveNotify(steps: Section, { receiver, apps }: Notify): void {
  steps.attempt("let go of the supervisor's pipe", "close", [receiver]);
  for (const { socket } of apps) steps.attempt("and of its sockets", "close", [socket]);
}

/** How long the supervisor waits at most until it says that it lives: half the time, as sd_watchdog_enabled(3) advises. */
export function watchdogTime(microseconds: number): Struct {
  const half = Math.max(1, Math.floor(microseconds / 2));
  return struct(
    "timespec",
    ["seconds", 8, Math.floor(half / 1e6)],
    ["nanoseconds", 8, (half % 1e6) * 1000],
  );
}

/** Init: all apps have started. */
export function sayReady(steps: Section, { sender }: Notify): void {
  steps.attempt("say that all apps have started", "write", [sender, "1", 1]);
  steps.keep(
    sender,
    "nobody knows here that this happens once; each program of an app has it closed",
  );
}

/**
 * The supervisor, behind the label `ready?`: something has happened at the pipe, or at an app's socket. Goes on at `wait`; or at
 * `end: told` where the pod has ended, because its end comes before what was said just before it: SIGCHLD is the lower number.
 *
 * @param ended 1 where the pod has ended
 */
export function passReady(
  steps: Section,
  { receiver, self, socket, apps }: Notify,
  ended: Slot,
): void {
  const byte = space("byte", 8);
  const count = slot("count");
  const told = zeroSlot("told that it is ready");
  const started = zeroSlot("all apps have started");
  steps.label("ready?");
  steps.attempt("read whether all apps have started", "read", [receiver, byte, 1], {
    store: count,
    branch: { when: "different", operand: 1, to: "ready: read" },
  });
  steps.set(started, 1);
  steps.label("ready: read");
  const { address, size } = addressOfSocket(socket);
  for (const app of apps) relayApp(steps, app, { address, addressSize: size, told, self });
  steps.when(told, 1, "ready: told");
  for (const isSo of [started, ...apps.map(({ ready }) => ready)]) {
    steps.when(isSo, 0, "ready: told");
  }
  steps.set(told, 1);
  tell(steps, "the pod is ready", socket, "READY=1");
  steps.label("ready: told");
  steps.when(ended, 1, "end: told");
  steps.goto("wait");
}

/** `struct sockaddr_un` of a path, or of an abstract name behind `@`; and its bytes. */
function addressOfSocket(socket: string) {
  const abstract = socket.startsWith("@");
  const name = new TextEncoder().encode(abstract ? `\0${socket.slice(1)}` : `${socket}\0`);
  const address = struct("sockaddr_un", ["family", 2, k.AF_UNIX], ["path", name.length, name]);
  return { address, size: 2 + name.length };
}

/** Sends a message, like `STOPPING=1`, to the service manager. Nobody is there to hear that it failed. */
export function tell(steps: Section, what: string, socket: string, message: string): void {
  const file = slot("notify socket");
  const { address, size } = addressOfSocket(socket);
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
    size,
  ]);
  steps.attempt("close the socket", "close", [file]);
}
