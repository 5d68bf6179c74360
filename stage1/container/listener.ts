/**
 * A filter's listener: a descriptor by which another process decides on calls (seccomp_unotify(2)). The process that is filtered
 * can't send it itself, because its filter may refuse any call; so whoever has made it takes it out of that process.
 */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import {
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  type Space,
  struct,
} from "../engine/plan.ts";
import { descriptorMessage, messageHeader } from "../steps/fd_passing.ts";
import type { ContainerFilter } from "./container.ts";
import { hear, type Making } from "./making.ts";

/** How often one looks whether the filter is there, in nanoseconds. */
const LOOK_EVERY = 500_000;

/** Bytes of the message by which the number of the descriptor is said. */
const NUMBER_SIZE = 8;

/** The number that the listener will have: the lowest that is free. */
function listenerNumber(s: Section): Slot {
  const [free, number] = [slot("free descriptor"), slot("number of the listener")];
  const what = "see which descriptor the listener of the filter will be";
  s.must(what, "fcntl", [0, k.F_DUPFD, 0], { store: free });
  s.set(number, free);
  s.must(what, "close", [free]);
  return number;
}

/** Steps of a container's first process before its filter: says the number to the worker. It waits to be started, so there is time. */
export function announceListener(s: Section, to: Slot | number): void {
  const word = mutableStruct("number", ["number", 8, 0]);
  s.compute("put", [addressOf(word), listenerNumber(s)]);
  const what = "say which descriptor the listener of the filter will be";
  s.must(what, "sendto", [to, word, NUMBER_SIZE, k.MSG_NOSIGNAL, 0, 0]);
}

/** Steps of the worker: takes the listener, and sends it to where the configuration says. */
export function passListener(s: Section, making: Making): void {
  const { container: { process: { filter } }, init, workerEnd, digits, length } = making;
  if (filter?.listener === undefined) return;
  const word = hear(s, "for the number of the filter's listener", workerEnd, "listener");
  takeListener(s, filter.listener, { process: init, word, digits, length });
}

/** A process that is filtered. */
interface Filtered {
  readonly process: Slot;
  /** What it has said: the number of the listener. */
  readonly word: Space;
  /** The digits of its PID, and their number. */
  readonly digits: Space;
  readonly length: Slot;
}

/** Takes a listener out of a process, and sends it. */
function takeListener(
  s: Section,
  { socket, text }: NonNullable<ContainerFilter["listener"]>,
  { process, word, digits, length }: Filtered,
): void {
  const [pidfd, number, listener] = [slot("pidfd"), slot("number"), slot("listener")];
  const time = struct("timespec", ["seconds", 8, 0], ["nanoseconds", 8, LOOK_EVERY]);
  const what = "take the listener of the filter";
  s.compute("load", [addressOf(word)], { store: number });
  s.must(what, "pidfd_open", [process, 0], { store: pidfd });
  s.label("take the listener");
  s.attempt(what, "pidfd_getfd", [pidfd, number, 0], {
    store: listener,
    branch: { when: "less", operand: 0, to: "no listener" },
  });
  const message = "send the listener of the filter";
  sendPartsOver(s, message, socket, listener, text, { digits, length });
  // Other processes may have the socket open for longer.
  s.attempt("end the connection", "shutdown", [socket, k.SHUT_RDWR]);
  s.attempt("close the listener", "close", [listener]);
  s.goto("listener is passed");
  s.label("no listener");
  // It has ended, and has said why.
  s.when(listener, -ERRNO.ESRCH, "listener is passed");
  s.compute("let", [listener], {
    branch: { when: "different", operand: -ERRNO.EBADF, to: "the listener can't be had" },
  });
  s.attempt("wait for the filter", "clock_nanosleep", [k.CLOCK_MONOTONIC, 0, time, 0]);
  s.goto("take the listener");
  s.label("the listener can't be had");
  s.must(what, "pidfd_getfd", [pidfd, number, 0], {
    hint: "only root may take a descriptor of a process in another user namespace",
  });
  s.label("listener is passed");
  s.attempt("close the socket", "close", [socket]);
  s.attempt("close the pidfd", "close", [pidfd]);
}

/** How often a sender looks at most: so long as no filter takes. */
const LOOKS = 20_000;

/**
 * Steps of a process of `exec` before its filter: it goes on to execve(2), which closes its listener. So another process that has
 * the same descriptors, and no filter, sends it.
 *
 * @param socket where the listener goes
 * @param digits the PID as the runtime numbers it, and how many digits it has
 */
export function sendOwnListener(
  s: Section,
  socket: number,
  text: readonly string[],
  number: { readonly digits: Space; readonly length: Slot },
): void {
  const [listener, sender, looks] = [listenerNumber(s), slot("sender"), slot("looks")];
  const time = struct("timespec", ["seconds", 8, 0], ["nanoseconds", 8, LOOK_EVERY]);
  s.must("make a process that sends the listener of the filter", "clone", [
    k.CLONE_FILES | k.CLONE_PARENT | k.SIGCHLD,
    0,
    0,
    0,
    0,
  ], { store: sender });
  s.compute("let", [sender], { branch: { when: "different", operand: 0, to: "sender is made" } });
  s.set(looks, LOOKS);
  s.label("look for the listener");
  s.attempt("see whether the filter is there", "fcntl", [listener, k.F_GETFD, 0], {
    branch: { when: "equal", operand: k.FD_CLOEXEC, to: "listener is there" },
  });
  s.attempt("wait for the filter", "clock_nanosleep", [k.CLOCK_MONOTONIC, 0, time, 0]);
  s.compute("sub", [looks, 1], {
    store: looks,
    branch: { when: "different", operand: 0, to: "look for the listener" },
  });
  s.attempt("there is no filter: the process has said why", "exit_group", [0]);
  s.label("listener is there");
  sendPartsOver(s, "send the listener of the filter", socket, listener, text, number);
  s.attempt("end the connection", "shutdown", [socket, k.SHUT_RDWR]);
  s.attempt("it is sent", "exit_group", [0]);
  s.label("sender is made");
}

/**
 * Sends a descriptor and a text whose parts have digits between them.
 *
 * @param number the digits, and how many there are
 */
function sendPartsOver(
  s: Section,
  what: string,
  socket: Slot | number,
  descriptor: Slot,
  parts: readonly string[],
  { digits, length }: { readonly digits: Space; readonly length: Slot },
): void {
  const control = descriptorMessage();
  const fields = parts.flatMap((text, i): Field[] => [
    ...i === 0 ? [] : [["digits", 8, addressOf(digits)], ["length", 8, 0]] satisfies Field[],
    ["text", 8, text],
    ["length", 8, new TextEncoder().encode(text).length],
  ]);
  const vector = mutableStruct("iovec", ...fields);
  for (let i = 1; i < parts.length; i++) {
    s.compute("put", [addressOf(vector, 32 * i - 8), length]);
  }
  const header = messageHeader({
    ...{ parts: addressOf(vector), partCount: 2 * parts.length - 1 },
    ...{ control: addressOf(control), controlBytes: 24 },
  });
  s.compute("put", [addressOf(control, 16), descriptor]);
  s.must(what, "sendmsg", [socket, header, k.MSG_NOSIGNAL]);
}
