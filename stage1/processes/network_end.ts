/** The end of a pod's network on the host, which the supervisor takes down when the pod has ended. Only joined networks need it. */
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import * as k from "../../src/linux/constants.ts";
import { bytesHole, MOST_FILE_HOLES, textHole } from "../engine/hole.ts";
import {
  addressOf,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  space,
  type Struct,
  struct,
  vector,
} from "../engine/plan.ts";
import type { NetworkTearDown, Pod } from "../pod.ts";

/** The namespace lives as long as the pod, unless plugins need it at the pod's end. */
export function leaveNamespaceToInit(setup: Section, { network }: Pod): void {
  if (network.kind !== "joined" || network.tearDown.command !== undefined) return;
  setup.attempt("leave the pod's network namespace to init", "close", [network.namespace]);
}

/** Removes the pod's rules from the host's network: first of all, because their end may take a moment. */
export function removeRules(steps: Section, { network, holes }: Pod): void {
  if (network.kind !== "joined" || network.tearDown.command !== undefined) return;
  const { messages, expiry } = network.tearDown;
  if (messages.length > 0) sendMessages(steps, messages, holes === true);
  if (expiry !== undefined) noteExpiry(steps, expiry);
}

/** Takes down what else the pod had in the host's network. What fails is left to `rkt gc`. */
export function tearDownNetwork(steps: Section, { network, holes }: Pod): void {
  if (network.kind !== "joined") return;
  const { command, files } = network.tearDown;
  if (command !== undefined) return runTearDown(steps, command);
  for (const [i, file] of files.entries()) {
    const { length } = new TextEncoder().encode(file);
    const path = holes === true && i < MOST_FILE_HOLES ? textHole(`file ${i}`, length) : file;
    steps.attempt("give the address back", "unlinkat", [k.AT_FDCWD, path, 0]);
  }
}

function sendMessages(
  steps: Section,
  messages: NetworkTearDown["messages"],
  holes: boolean,
): void {
  const socket = slot("socket");
  const kernel = struct("sockaddr_nl", ["family", 2, k.AF_NETLINK], ["", 10, new Uint8Array(10)]);
  steps.attempt("open a socket to nf_tables", "socket", [
    k.AF_NETLINK,
    k.SOCK_DGRAM | k.SOCK_CLOEXEC,
    k.NETLINK_NETFILTER,
  ], { store: socket });
  const done = "rules are removed";
  for (const [i, bytes] of messages.entries()) {
    const content = holes ? bytesHole(`message ${i}`) : bytes;
    const message = struct("message", ["bytes", bytes.length, content]);
    steps.attempt("remove the pod's rules", "sendto", [
      socket,
      message,
      bytes.length,
      0,
      kernel,
      12,
    ]);
    if (i < messages.length - 1) whenTaken(steps, socket, done, `rules: way ${i + 2}`);
  }
  if (messages.length > 1) steps.label(done);
  // Not closed: where rules were deleted, that waits until the kernel has freed them, which it does while the rest goes.
}

/** Bytes of `struct nlmsghdr`, and of the error number behind it (include/uapi/linux/netlink.h). */
const ANSWER = 20;

/** Goes on at `done` where the kernel acknowledges a message, else behind these steps. */
function whenTaken(steps: Section, socket: Slot, done: string, refused: string): void {
  const answer = space("answer of nf_tables", 64);
  const word = slot("word of the answer");
  steps.attempt("is that done?", "recvfrom", [socket, answer, 64, k.MSG_DONTWAIT, 0, 0], {
    store: word,
    branch: { when: "less", operand: ANSWER, to: refused },
  });
  steps.compute("load", [addressOf(answer, ANSWER - 4)], { store: word });
  steps.compute("and", [word, 0xffff_ffff], {
    store: word,
    branch: { when: "equal", operand: 0, to: done },
  });
  steps.label(refused);
}

const BILLION = 1_000_000_000;

/** When the rules are gone: a tick of the kernel's clock after the last one; see {@linkcode NetworkTearDown.expiry}. */
function noteExpiry(steps: Section, expiry: number): void {
  const [seconds, rest] = [slot("seconds"), slot("nanoseconds")];
  steps.attempt("when was the last tick?", "clock_gettime", [k.CLOCK_MONOTONIC_COARSE, GONE]);
  steps.compute("load", [addressOf(GONE, 8)], { store: rest });
  steps.compute("add", [rest, expiry], { store: rest });
  steps.compute("let", [rest], {
    branch: { when: "less", operand: BILLION, to: "tick: same second" },
  });
  steps.compute("sub", [rest, BILLION], { store: rest });
  steps.compute("load", [GONE], { store: seconds });
  steps.compute("add", [seconds, 1], { store: seconds });
  steps.compute("put", [GONE, seconds]);
  steps.label("tick: same second");
  steps.compute("put", [addressOf(GONE, 8), rest]);
}

/** `struct timespec`: when the rules are gone. */
const GONE: Struct = mutableStruct("end of the rules", ["seconds", 8, 0], ["nanoseconds", 8, 0]);

/** Waits until no port of the host leads to the pod any more: the last thing that the supervisor does. */
export function awaitExpiry(steps: Section, { network }: Pod): void {
  if (network.kind !== "joined" || network.tearDown.expiry === undefined) return;
  steps.attempt("wait until the ports are free", "clock_nanosleep", [
    k.CLOCK_MONOTONIC,
    k.TIMER_ABSTIME,
    GONE,
    0,
  ]);
}

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** External plugins are programs, and rkt calls them: in a child, whose end is waited for. */
function runTearDown(steps: Section, command: readonly string[]): void {
  const child = slot("network tear-down");
  const [executable = ""] = command;
  steps.attempt("make a process that takes the networks down", "clone", [k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
    branch: { when: "different", operand: 0, to: "networks go down" },
  });
  steps.attempt("let signals through", "rt_sigprocmask", [
    k.SIG_SETMASK,
    signalSet([]),
    0,
    SIGSET_SIZE,
  ]);
  // The pod's lock is the supervisor's, and not that of what a plugin may leave behind.
  steps.attempt("leave it the standard streams only", "close_range", [
    3,
    0xffffffff,
    k.CLOSE_RANGE_CLOEXEC,
  ]);
  steps.attempt("take the networks down", "execve", [executable, vector(command), vector([PATH])]);
  steps.attempt("rkt is not there any more", "exit_group", [127]);
  steps.label("networks go down");
  steps.attempt("wait for that", "wait4", [child, 0, 0, 0]);
}
