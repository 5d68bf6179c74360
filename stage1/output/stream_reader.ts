/**
 * A process that reads the apps' output until the pod has ended: the loop that logger.ts and line_prefixer.ts share. It
 * is a child of the supervisor in the caller's namespaces and outlives it, so that no output is lost.
 *
 * Its state is in tables, so its code is the same for any number of apps.
 */
import * as k from "../../src/linux/constants.ts";
import { MEMORY } from "../engine/elf.ts";
import {
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  type Sections,
  type Slot,
  slot,
  type Space,
  space,
  type Struct,
  zeroSlot,
} from "../engine/plan.ts";
import { type Channel, SUPERVISOR_SIDE } from "./streams.ts";
import { ERRNO } from "../../src/linux/errno.ts";

/** The most bytes of one read(2). A terminal never returns more. */
export const CHUNK = 4096;

/** Bytes of `struct pollfd`. */
const POLLFD_SIZE = 8;

/**
 * The most chunks of each channel that are read after the pod's end: more than a pipe can hold. If there are more, an
 * app has handed its output to a process outside of the pod, which must not keep the pod from ending.
 */
const LAST_ROUNDS = 4096;

/** A process that reads channels. */
export interface StreamReader {
  /** The name that `ps` shows. */
  readonly name: string;
  readonly channels: readonly Channel[];
  /** Its PID; 0 if it does not run. */
  readonly pid: Slot;
  /** The descriptors; that of init comes first. */
  readonly polls: Struct;
  /** A pidfd of init. */
  readonly init: Slot;
}

/** A chunk, as its handler sees it. */
export interface Chunk {
  /** The address of the channel's record in the table. */
  readonly channel: Slot;
  readonly buffer: Space;
  /** Its size in bytes. */
  readonly length: Slot;
}

/** Describes a process. Undefined if it has nothing to read. */
export function streamReader(name: string, channels: readonly Channel[]): StreamReader | undefined {
  if (channels.length === 0) return undefined;
  const entry = (fd: number | bigint): Field[] => [["fd", 4, fd], ["events", 2, k.POLLIN], [
    "revents",
    2,
    0,
  ]];
  const polls = mutableStruct(
    "pollfd",
    ...entry(0),
    ...channels.flatMap(({ number }) => entry(SUPERVISOR_SIDE + number)),
  );
  return { name, channels, pid: zeroSlot(name), polls, init: zeroSlot("init's pidfd") };
}

/**
 * Steps of the supervisor that start the process, after init has been forked.
 *
 * @param pidfd a pidfd of init
 */
export function startReader(setup: Section, { name, pid, init }: StreamReader, pidfd: Slot): void {
  setup.set(init, pidfd);
  setup.must(`make the process ${name}`, "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: pid });
  setup.when(pid, 0, name);
}

/**
 * Steps of the supervisor when a child has ended. A reader that was killed is started again; meanwhile the pipes keep
 * the output.
 */
export function readerEnded(
  steps: Section,
  { name, pid }: StreamReader,
  child: Slot,
  next: string,
): void {
  const other = slot("difference");
  const not = `not ${name}`;
  steps.compute("sub", [child, pid], {
    store: other,
    branch: { when: "different", operand: 0, to: not },
  });
  steps.attempt(`make the process ${name} again`, "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: pid });
  steps.when(pid, 0, name);
  steps.goto(next);
  steps.label(not);
}

/** Steps of the supervisor when init has ended: it waits until all output has been written. */
export function awaitReader(steps: Section, { name, pid }: StreamReader): void {
  const gone = `${name} has ended`;
  // If there is no such process, wait4(2) would wait for any other child.
  steps.compute("let", [pid], { branch: { when: "less", operand: 1, to: gone } });
  steps.attempt(`wait for the end of ${name}`, "wait4", [pid, 0, 0, 0]);
  steps.label(gone);
}

/**
 * Adds the process itself, from the label with its name on.
 *
 * @param options.table one record of `recordSize` bytes for each channel
 * @param options.standardStreams whether it keeps the caller's output and error output
 * @param options.watched whether a process of its own, of the name and `-guard`, makes it again when it is killed
 * @param options.receive gets descriptors of channels that are not there yet; before the others are closed
 * @param options.begin what it does first
 * @param options.handle what is done with a chunk; it ends with a jump to the label `done`
 */
export function runReader(
  { output: steps, waiting }: Sections,
  { name, channels, polls, init }: StreamReader,
  options: {
    readonly table: Struct;
    readonly recordSize: number;
    readonly standardStreams: boolean;
    readonly watched: boolean;
    receive?(): void;
    begin(): void;
    handle(chunk: Chunk, done: string): void;
  },
): void {
  const { table, recordSize, standardStreams, watched } = options;
  const ready = slot("ready");
  const at = slot("poll");
  const channel = slot("channel");
  const length = slot("length");
  const value = slot("value");
  const rounds = slot("rounds");
  const buffer = space("chunk", CHUNK + 8);
  const skip = `${name} next`;
  steps.heading(`${name}: what the apps write`);
  steps.label(name);
  steps.attempt("name the process", "prctl", [k.PR_SET_NAME, name]);
  // Neither Ctrl-Z nor the end of the caller's session may stop the apps' output.
  steps.attempt("leave the caller's session", "setsid", []);
  steps.compute("add", [init, k.POLLIN * 2 ** 32], { store: value });
  steps.compute("put", [addressOf(polls), value]);
  options.receive?.();
  closeOthers(steps, init, standardStreams, channels);
  for (const { address, size } of [MEMORY.beforeOutput, MEMORY.afterOutput]) {
    steps.attempt("give back memory of the others", "munmap", [address, size]);
  }
  if (watched) watch(steps, waiting, name);
  options.begin();
  steps.set(rounds, LAST_ROUNDS);

  const all = channels.length + 1;
  waitForOutput(steps, waiting, name, polls, all, ready);
  steps.label(`${name} sees`);
  steps.compute("let", [ready], { branch: { when: "less", operand: 1, to: `${name} waits` } });
  steps.set(at, addressOf(polls));
  steps.compute("sub", [table, recordSize], { store: channel });

  steps.label(skip);
  steps.compute("add", [at, POLLFD_SIZE], { store: at });
  steps.compute("add", [channel, recordSize], { store: channel });
  steps.compute("sub", [at, addressOf(polls, all * POLLFD_SIZE)], {
    store: value,
    branch: { when: "equal", operand: 0, to: `${name} has read` },
  });
  steps.compute("load", [at], { store: value });
  steps.compute("shr", [value, 48], {
    store: length,
    branch: { when: "equal", operand: 0, to: skip },
  });
  steps.compute("and", [value, 0xffffffff], { store: value });
  steps.attempt("read what an app has written", "read", [value, buffer, CHUNK], {
    store: length,
    branch: { when: "equal", operand: -ERRNO.EAGAIN, to: skip },
  });
  steps.when(length, -ERRNO.EINTR, skip);
  steps.compute("let", [length], { branch: { when: "less", operand: 1, to: `${name} closes` } });
  options.handle({ channel, buffer, length }, skip);

  // ppoll(2) ignores a negative descriptor.
  steps.label(`${name} closes`);
  steps.compute("put", [at, 0xffffffff]);
  steps.goto(skip);

  steps.label(`${name} has read`);
  steps.compute("load", [addressOf(polls)], { store: value });
  steps.compute("shr", [value, 48], {
    store: value,
    branch: { when: "equal", operand: 0, to: `${name} waits` },
  });
  // Init has ended, and all processes of the pod with it. What the pipes still hold is the last output.
  steps.when(ready, 1, `${name} ends`);
  steps.compute("sub", [rounds, 1], {
    store: rounds,
    branch: { when: "different", operand: 0, to: `${name} waits` },
  });
  steps.label(`${name} ends`);
  steps.attempt("end", "exit_group", [0]);
}

/**
 * Forks a child that goes on, forks it again whenever it is killed, and ends when it has ended. For a process whose
 * parent does not stay.
 */
function watch(steps: Section, waiting: Section, name: string): void {
  const child = slot("child");
  const status = slot("status");
  const { address, size } = MEMORY.output;
  steps.attempt("name the guard", "prctl", [k.PR_SET_NAME, `${name}-guard`]);
  steps.label(`${name} again`);
  // If fork fails, this process does the work itself.
  steps.attempt(`make the process ${name}`, "clone", [k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
    branch: { when: "less", operand: 1, to: `${name} begins` },
  });
  steps.goto(`${name} guard`);
  waiting.heading(`${name}-guard: until its child has ended`);
  waiting.label(`${name} guard`);
  waiting.attempt("let go of what is not needed now", "madvise", [address, size, k.MADV_DONTNEED]);
  waiting.attempt("wait for the child's end", "wait4", [child, addressOf(status), 0, 0], {
    branch: { when: "equal", operand: -ERRNO.EINTR, to: `${name} guard` },
  });
  waiting.goto(`${name} has ended`);
  steps.label(`${name} has ended`);
  // The kernel writes 32 bits, of which the lower seven are the signal that killed it.
  steps.compute("and", [status, 0x7f], {
    branch: { when: "different", operand: 0, to: `${name} again` },
  });
  steps.attempt("end", "exit_group", [0]);
  steps.label(`${name} begins`);
  steps.attempt("name the process", "prctl", [k.PR_SET_NAME, name]);
}

/** While there is no output, the process needs nothing of the section: neither steps nor buffers. */
function waitForOutput(
  steps: Section,
  waiting: Section,
  name: string,
  polls: Struct,
  count: number,
  ready: Slot,
): void {
  const now = mutableStruct("timespec", ["seconds", 8, 0], ["nanoseconds", 8, 0]); // the kernel writes back what is left
  const { address, size } = MEMORY.output;
  steps.compute("put", [addressOf(now), 0]); // writing gives this process its own copy of the page
  steps.goto(`${name} waits`);
  waiting.heading(`${name}: while there is nothing to do`);
  waiting.label(`${name} waits`);
  waiting.attempt("see whether there is output", "ppoll", [polls, count, now, 0, 8], {
    store: ready,
    branch: { when: "different", operand: 0, to: `${name} sees` },
  });
  waiting.attempt("let go of what is not needed now", "madvise", [address, size, k.MADV_DONTNEED]);
  waiting.attempt("wait for output, or the pod's end", "ppoll", [polls, count, 0, 0, 8], {
    store: ready,
  });
  waiting.goto(`${name} sees`);
}

/** Closes all descriptors but its channels and the pidfd; the pod's lock is among them. */
function closeOthers(
  steps: Section,
  pidfd: Slot,
  standardStreams: boolean,
  channels: readonly Channel[],
): void {
  const before = slot("before");
  const after = slot("after");
  const what = "close what is not needed";
  steps.compute("sub", [pidfd, 1], { store: before });
  steps.compute("add", [pidfd, 1], { store: after });
  const first = standardStreams ? 3 : 0;
  if (standardStreams) steps.attempt(what, "close", [0]);
  steps.attempt(what, "close_range", [first, before, 0]);
  steps.attempt(what, "close_range", [after, SUPERVISOR_SIDE - 1, 0]);
  // Channels of other readers lie between its own.
  let free = SUPERVISOR_SIDE;
  for (const number of channels.map((channel) => SUPERVISOR_SIDE + channel.number)) {
    if (number > free) steps.attempt(what, "close_range", [free, number - 1, 0]);
    free = number + 1;
  }
  steps.attempt(what, "close_range", [free, 0xffffffff, 0]);
}
