/**
 * `--interactive`, in the supervisor: the app's terminal is a pty of the pod's own devpts, and the caller's terminal is relayed to it.
 *
 *     caller's terminal, raw ── input relay ──→ master of the pty ┄┄ slave: the app's streams and controlling terminal
 *                            ←─ output relay ──
 *
 * The relays are two children of the supervisor. A third child, the guard, restores the caller's terminal if the
 * supervisor is killed. In all other cases the supervisor restores it itself.
 */
import * as k from "../../src/linux/constants.ts";
import {
  type Address,
  addressOf,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  type Space,
  space,
  struct,
  zeroSlot,
} from "../engine/plan.ts";
import { openFdSocket, receiveDescriptor } from "../steps/fd_passing.ts";
import type { Terminal } from "./terminal.ts";
import { ERRNO } from "../../src/linux/errno.ts";

const STDIN = 0;
const STDOUT = 1;

/** Steps of the supervisor before it forks init: remembers the caller's modes, and makes the socket. */
export function openTerminal(setup: Section): Terminal {
  const saved = space("the caller's modes", 40);
  setup.must("read the terminal's modes", "ioctl", [STDIN, k.TCGETS, saved]);
  return {
    fdSocket: openFdSocket(setup, "make a socket for the terminal"),
    master: zeroSlot("master"),
    saved,
    input: zeroSlot("input relay"),
    output: zeroSlot("output relay"),
    guard: zeroSlot("guard"),
  };
}

/** Steps of the supervisor after it has forked init: receives the master, starts guard and relays. */
export function startRelay(setup: Section, terminal: Terminal): void {
  setup.heading("supervisor: relay the terminal");
  setup.must("leave init its end of the socket", "close", [terminal.fdSocket.sender]);
  const what = "receive the master of the app's terminal";
  // If this fails, init has failed and has reported it.
  receiveDescriptor(setup, what, terminal.fdSocket, terminal.master, "supervise");
  for (
    const [name, child] of [["guard", terminal.guard], ["output", terminal.output], [
      "input",
      terminal.input,
    ]] as const
  ) {
    setup.must(`make the terminal's ${name}`, "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: child });
    setup.when(child, 0, `terminal ${name}`);
  }
  // Not before: a relay that is stopped because it reads in the background must not have changed anything.
  setup.goto("terminal raw");
}

/** `ISIG` and so on, of include/uapi/asm-generic/termbits.h: what cfmakeraw(3) switches off. */
const RAW_IFLAG = 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000;
const RAW_OFLAG = 0o1;
const RAW_LFLAG = 0o1 | 0o2 | 0o10 | 0o100 | 0o100000;
const ALL_ONES = 0xffffffffn;

/** Two words of 32 bits with these bits cleared, as one word of 64. */
const without = (low: number, high: number): bigint =>
  (ALL_ONES & ~BigInt(low)) | ((ALL_ONES & ~BigInt(high)) << 32n);

/**
 * Adds the relays, the guard, and the steps of the supervisor's loop that are about the terminal.
 *
 * @param until a pidfd: the output ends with this process, and not with the last one that has the terminal open
 */
export function relay(
  steps: Section,
  terminal: Terminal,
  supervisor: { readonly pid: Slot; readonly alive: Slot; readonly init?: Slot },
  until?: Slot,
): void {
  rawMode(steps, terminal);
  resize(steps, terminal);
  const { init } = supervisor;
  const ends = init === undefined ? undefined : (parts: Typed) => endByKeys(steps, parts, init);
  copy(steps, "terminal input", STDIN, terminal.master, supervisor.pid, { ends });
  copy(steps, "terminal output", terminal.master, STDOUT, supervisor.pid, { until });
  steps.heading("guard: give the terminal back if the supervisor is killed");
  steps.label("terminal guard");
  const poll = mutableStruct("pollfd", ["fd", 4, 0], ["events", 2, k.POLLIN], ["revents", 2, 0]);
  const value = slot("value");
  steps.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-terminal"]);
  // The guard is in the background by then: changing modes would stop it for good.
  const tty = struct("sigset", ["signals", 8, 2 ** (k.SIGTTOU - 1)]);
  steps.attempt("allow the change of modes", "rt_sigprocmask", [k.SIG_BLOCK, tty, 0, 8]);
  steps.compute("add", [supervisor.alive, k.POLLIN * 2 ** 32], { store: value });
  steps.compute("put", [addressOf(poll), value]);
  steps.keep(supervisor.alive, "it is polled");
  // Of the supervisor's descriptors the guard needs only this one and the terminal.
  steps.compute("add", [supervisor.alive, 1], { store: value });
  steps.attempt("close what is not needed", "close_range", [value, 0xffffffff, 0]);
  steps.compute("sub", [supervisor.alive, 1], { store: value });
  steps.attempt("close what is not needed", "close_range", [1, value, 0]);
  steps.label("terminal guard waits");
  steps.attempt("wait for the supervisor's death", "ppoll", [poll, 1, 0, 0, 8], {
    branch: { when: "less", operand: 1, to: "terminal guard waits" },
  });
  giveBack(steps, terminal.saved);
  steps.attempt("end the guard", "exit_group", [0]);
}

/** If the caller's shell was faster and has set its own modes, the guard must not change them. */
export function giveBack(steps: Section, saved: Space): void {
  const now = space("modes", 40);
  const [own, raw] = [slot("modes"), slot("raw modes")];
  steps.attempt("see the terminal's modes", "ioctl", [STDIN, k.TCGETS, now]);
  steps.compute("load", [addressOf(now, 8)], { store: own });
  steps.compute("load", [addressOf(saved, 8)], { store: raw });
  steps.compute("and", [raw, without(0, RAW_LFLAG)], { store: raw });
  steps.compute("sub", [own, raw], {
    store: own,
    branch: { when: "different", operand: 0, to: "terminal is the shell's" },
  });
  steps.attempt("restore the terminal", "ioctl", [STDIN, k.TCSETSW, saved]);
  steps.label("terminal is the shell's");
}

function rawMode(steps: Section, terminal: Terminal): void {
  const raw = space("raw modes", 40);
  const value = slot("value");
  steps.heading("supervisor: the terminal");
  steps.label("terminal raw");
  const masks = [without(RAW_IFLAG, RAW_OFLAG), without(0, RAW_LFLAG)];
  for (let word = 0; word < 5; word++) {
    steps.compute("load", [addressOf(terminal.saved, word * 8)], { store: value });
    const mask = masks[word];
    if (mask !== undefined) steps.compute("and", [value, mask], { store: value });
    // Bytes 22 and 23 are VTIME and VMIN: read(2) returns as soon as there is one byte.
    if (word === 2) {
      steps.compute("and", [value, (1n << 48n) - 1n], { store: value });
      steps.compute("add", [value, 1n << 56n], { store: value });
    }
    steps.compute("put", [addressOf(raw, word * 8), value]);
  }
  steps.attempt("make the terminal raw", "ioctl", [STDIN, k.TCSETSW, raw]);
}

/** Falls through from the raw mode: the size is copied whenever the modes are set. */
function resize(steps: Section, terminal: Terminal): void {
  const size = space("winsize", 8);
  steps.label("terminal resize");
  steps.attempt("read the terminal's size", "ioctl", [STDIN, k.TIOCGWINSZ, size]);
  steps.attempt("set the size of the app's terminal", "ioctl", [
    terminal.master,
    k.TIOCSWINSZ,
    size,
  ]);
  steps.goto("supervise");
}

/** What was typed. */
interface Typed {
  readonly from: Address;
  readonly count: Slot;
}

/** What a relay does beside copying. */
interface Copying {
  /** The output ends with this process. */
  readonly until?: Slot | undefined;
  /** Steps that look at what was read. */
  readonly ends?: ((read: Typed) => void) | undefined;
}

/** Ctrl-] */
const END_KEY = 0x1d;
/** How often it is pressed, and within how many 1024ths of a second: as with systemd-nspawn, on which rkt 1 was built. */
const PRESSES = 3;
const WITHIN = 1024;

/** Steps of the input relay that kill the pod where a key was pressed three times: whatever the app does with its terminal. */
function endByKeys(steps: Section, { from, count }: Typed, init: Slot): void {
  const [at, end, byte] = [slot("typed"), slot("end of what is typed"), slot("byte")];
  const [presses, first, now] = [zeroSlot("presses"), zeroSlot("first press"), slot("now")];
  const time = space("time", 16);
  steps.set(at, from);
  steps.compute("add", [at, count], { store: end });
  steps.label("key");
  steps.compute("load", [at], { store: byte });
  steps.compute("add", [at, 1], { store: at });
  steps.compute("and", [byte, 0xff], {
    store: byte,
    branch: { when: "equal", operand: END_KEY, to: "end key" },
  });
  steps.set(presses, 0);
  steps.goto("next key");
  steps.label("end key");
  steps.attempt("see when it was pressed", "clock_gettime", [k.CLOCK_MONOTONIC, time]);
  steps.compute("load", [addressOf(time, 8)], { store: byte });
  steps.compute("shr", [byte, 20], { store: byte });
  steps.compute("load", [addressOf(time)], { store: now });
  steps.compute("shl", [now, 10], { store: now });
  steps.compute("add", [now, byte], { store: now });
  steps.compute("sub", [now, first], {
    store: byte,
    branch: { when: "less", operand: WITHIN, to: "soon enough" },
  });
  steps.set(presses, 0);
  steps.set(first, now);
  steps.label("soon enough");
  steps.compute("add", [presses, 1], {
    store: presses,
    branch: { when: "less", operand: PRESSES, to: "next key" },
  });
  steps.attempt("kill the pod", "kill", [init, k.SIGALRM]);
  steps.label("next key");
  steps.compute("sub", [end, at], {
    store: byte,
    branch: { when: "less", operand: 1, to: "keys are seen" },
  });
  steps.goto("key");
  steps.label("keys are seen");
}

/** A child that copies until the end of its input. */
function copy(
  steps: Section,
  name: string,
  from: Slot | number,
  to: Slot | number,
  supervisor: Slot,
  { until, ends }: Copying,
): void {
  const parent = slot("parent");
  // Keys are looked at by eight bytes, the last ones too.
  const buffer = space(name, BUFFER + 8);
  const left = slot("left");
  const next = slot("next");
  const count = slot("count");
  steps.heading(`${name} relay`);
  steps.label(name);
  // An input relay that survived would read what is typed for the shell.
  steps.attempt("die with the supervisor", "prctl", [k.PR_SET_PDEATHSIG, k.SIGKILL]);
  steps.attempt("see whether it lives", "getppid", [], { store: parent });
  steps.compute("sub", [parent, supervisor], {
    store: parent,
    branch: { when: "different", operand: 0, to: `${name} ends` },
  });
  steps.label(`${name} reads`);
  if (until !== undefined) waitForInput(steps, name, from, until);
  steps.attempt("read", "read", [from, buffer, BUFFER], {
    store: left,
    branch: { when: "equal", operand: -ERRNO.EINTR, to: `${name} reads` },
  });
  steps.compute("let", [left], { branch: { when: "less", operand: 1, to: `${name} ends` } });
  steps.set(next, addressOf(buffer));
  ends?.({ from: addressOf(buffer), count: left });
  steps.label(`${name} writes`);
  steps.attempt("write", "write", [to, next, left], {
    store: count,
    branch: { when: "equal", operand: -ERRNO.EINTR, to: `${name} writes` },
  });
  steps.compute("let", [count], { branch: { when: "less", operand: 1, to: `${name} ends` } });
  steps.compute("add", [next, count], { store: next });
  steps.compute("sub", [left, count], {
    store: left,
    branch: { when: "different", operand: 0, to: `${name} writes` },
  });
  steps.goto(`${name} reads`);
  steps.label(`${name} ends`);
  steps.attempt("end the relay", "exit_group", [0]);
}

/** Goes on when there is something to read. Ends the relay when there is nothing to read and the process has ended. */
function waitForInput(steps: Section, name: string, from: Slot | number, until: Slot): void {
  const polls = mutableStruct(
    "pollfds",
    ...[["fd", 4, 0], ["events", 2, k.POLLIN], ["revents", 2, 0]] as const,
    ...[["fd", 4, 0], ["events", 2, k.POLLIN], ["revents", 2, 0]] as const,
  );
  const value = slot("value");
  [from, until].forEach((descriptor, i) => {
    steps.compute("add", [descriptor, k.POLLIN * 2 ** 32], { store: value });
    steps.compute("put", [addressOf(polls, i * 8), value]);
  });
  steps.attempt("wait for output, or the end of the program", "ppoll", [polls, 2, 0, 0, 8], {
    branch: { when: "less", operand: 1, to: `${name} reads` },
  });
  steps.compute("load", [addressOf(polls)], { store: value });
  steps.compute("shr", [value, 48], {
    store: value,
    branch: { when: "equal", operand: 0, to: `${name} ends` },
  });
}

/** Bytes that a relay copies at once. */
const BUFFER = 4096;

/** Steps of the supervisor when the pod has ended: shows the rest of the app's output, then restores the modes. */
export function closeTerminal(steps: Section, terminal: Terminal): void {
  for (const [name, child] of [["input", terminal.input], ["guard", terminal.guard]] as const) {
    const gone = `no terminal ${name}`;
    steps.when(child, 0, gone); // kill(0) would signal the whole process group
    steps.attempt(`end the ${name}`, "kill", [child, k.SIGKILL]);
    steps.attempt(`wait for the ${name}'s end`, "wait4", [child, 0, 0, 0]);
    steps.label(gone);
  }
  steps.when(terminal.output, 0, "no terminal output");
  steps.attempt("wait for the last output", "wait4", [terminal.output, 0, 0, 0]);
  steps.label("no terminal output");
  steps.attempt("restore the terminal", "ioctl", [STDIN, k.TCSETSW, terminal.saved]);
}
