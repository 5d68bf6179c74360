/** The pod's network: init enters it, the supervisor takes it down when the pod has ended. */
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import * as k from "../../src/linux/constants.ts";
import { bytesHole, MOST_FILE_HOLES, textHole } from "../engine/hole.ts";
import { type Section, slot, struct, vector } from "../engine/plan.ts";
import type { NetworkTearDown, Pod } from "../pod.ts";

/** Init comes to be in the pod's network namespace. What was set up there waits for it. */
export function enterNetwork(setup: Section, { network }: Pod): void {
  if (network.kind === "none") loopbackUp(setup);
  if (network.kind !== "joined") return;
  const { namespace } = network;
  setup.must("enter the pod's network namespace", "setns", [namespace, k.CLONE_NEWNET]);
  setup.attempt("let go of its descriptor", "close", [namespace]);
}

function loopbackUp(setup: Section): void {
  const socket = slot("socket");
  const request = struct("ifreq", ["name", 16, new TextEncoder().encode("lo")], [
    "flags",
    2,
    k.IFF_UP,
  ], ["", 22, new Uint8Array(22)]);
  setup.must("open a socket", "socket", [k.AF_INET, k.SOCK_DGRAM | k.SOCK_CLOEXEC, 0], {
    store: socket,
  });
  setup.must("bring the loopback interface up", "ioctl", [socket, k.SIOCSIFFLAGS, request]);
  setup.attempt("close the socket", "close", [socket]);
}

/** The namespace lives as long as the pod, unless plugins need it at the pod's end. */
export function leaveNamespaceToInit(setup: Section, { network }: Pod): void {
  if (network.kind !== "joined" || network.tearDown.command !== undefined) return;
  setup.attempt("leave the pod's network namespace to init", "close", [network.namespace]);
}

/** Takes down what the pod had in the host's network. What fails is left to `rkt gc`. */
export function tearDownNetwork(steps: Section, { network, holes }: Pod): void {
  if (network.kind !== "joined") return;
  const { command, messages, files } = network.tearDown;
  if (command !== undefined) return runTearDown(steps, command);
  if (messages.length > 0) sendMessages(steps, messages, holes === true);
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
  }
  // Not closed: that waits until the kernel has freed the rules, which it does while the rest is taken down.
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
