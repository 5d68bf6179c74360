/**
 * `rkt enter`: a program in an app that runs already, with what the app may do and no more.
 *
 *     rkt enter       this process: in the caller's namespaces, out of the app's sight; waits, passes signals on, and
 *       │             ends as the program ended
 *       program       in all namespaces of the app, its cgroups and its root
 *
 * Nothing of the app is found by a name that the app could change: the namespaces come from one pidfd, all at once.
 */
import { undoInheritance } from "../steps/inherited.ts";
import { spawnIntermediate } from "../steps/intermediate_process.ts";
import { exitCode, findTitle, waitForSignal } from "../steps/wait.ts";
import { confine, execute, type Program, releaseSignals } from "../app/app.ts";
import { labelProgram, scoreForMemory } from "../app/process_attributes.ts";
import * as k from "../../src/linux/constants.ts";
import {
  addressOf,
  emptySections,
  type Plan,
  planOf,
  type Section,
  type Slot,
  slot,
  vector,
  zeroSlot,
} from "../engine/plan.ts";
import { fileWriter, runFileWriter } from "../output/file_writer.ts";
import { protectStreams } from "../output/protect_streams.ts";
import {
  awaitReader,
  readerEnded,
  startReader,
  type StreamReader,
} from "../output/stream_reader.ts";
import { openStreams, receiveStreams } from "../output/open_streams.ts";
import { APP_SIDE, leaveStreams, podChannels, type Streaming } from "../output/streams.ts";
import type { CallerStreams, Pod, PodApp } from "../pod.ts";
import { filterSystemCalls } from "../seccomp/install_filter.ts";
import { relayEnded } from "../output/relay_ended.ts";
import { closeTerminal, openTerminal, relay, startRelay } from "../output/relay.ts";
import { takeNewTerminal, type Terminal } from "../output/terminal.ts";

/** What is to run in which app. Descriptors are numbers that this process has open, and that `execve` leaves open. */
export interface Entering {
  /** The app as the program is to be confined. */
  readonly app: PodApp;
  /** A pidfd of the app's main process. */
  readonly process: number;
  /** Which of its namespaces are others than ours, but for that of users: flags `CLONE_NEW*`. */
  readonly namespaces: number;
  /** A pidfd of the pod's init, where the pod has users of its own. */
  readonly users?: number | undefined;
  /** Whether this process can't come back into its own PID namespace: its users are not those of the host. */
  readonly rootless?: boolean | undefined;
  /** Files of its cgroups to write to, where these are others than ours. */
  readonly cgroups: readonly number[];
  /** What the caller's streams are; absent where the program may have them as they are, or gets a terminal. */
  readonly caller?: CallerStreams | undefined;
  /** Where its root is in its mount namespace; absent where that is the namespace's own root. */
  readonly root?: string | undefined;
  /** Whether the program gets a terminal of its own, relayed to the caller's. */
  readonly terminal: boolean;
  /** Programs to try one after the other. */
  readonly programs: readonly Program[];
  /** How a message calls what is to be executed. */
  readonly command: string;
}

const GONE = "the app has ended";

/** The plan of `rkt enter`. */
export function enterPlan(entering: Entering): Plan {
  const sections = emptySections();
  const { setup, resident, waiting } = sections;
  const streams = streamsOf(entering);
  const writer = fileWriter(streams);
  const pid = slot("self");
  const alive = slot("rkt enter");
  const child = entering.rootless === true ? zeroSlot("program") : slot("program");
  const ended = slot("end of the program");
  findTitle(setup);
  prepareParent(setup);
  // Whose /dev/null the app's is by now nobody knows.
  protectStreams(setup, streams, false);
  openStreams(setup, streams);
  setup.attempt("get the own PID", "getpid", [], { store: pid });
  setup.must("refer to this process", "pidfd_open", [pid, 0], { store: alive });
  const terminal = entering.terminal ? openTerminal(setup) : undefined;
  makeChild(setup, entering, alive, child);
  if (terminal !== undefined) {
    setup.must("refer to the program's process", "pidfd_open", [child, 0], { store: ended });
    setup.keep(alive, "the guard of the terminal watches it");
    setup.keep(ended, "the relay of the output watches it");
    startRelay(setup, terminal);
  } else {
    receiveStreams(setup, streams, undefined, "no output");
    if (writer !== undefined) {
      setup.must("refer to the program's process", "pidfd_open", [child, 0], { store: ended });
      setup.keep(ended, "a process of the output that is made again watches it");
      startReader(setup, writer, ended);
    }
    setup.attempt("close the reference to this process", "close", [alive]);
    setup.attempt("let go of the input", "close", [0]);
    setup.attempt("let go of the output", "close", [1]);
    setup.goto("supervise");
  }
  startProgram(setup, entering, streams, pid, terminal);
  wait(resident, waiting, child, writer, terminal);
  if (terminal !== undefined) relay(resident, terminal, { pid, alive }, ended);
  if (writer === undefined) {
    return { setup: setup.items, resident: resident.items, waiting: waiting.items };
  }
  runFileWriter(sections, writer);
  return planOf(sections);
}

/** The program's streams, as those of a pod's only app: all are the caller's. */
function streamsOf({ app, caller }: Entering): Streaming & Pick<Pod, "uuid"> {
  const streams = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
  return { uuid: "", apps: [{ ...app, streams }], prefixed: [], caller };
}

/** Steps of the program's process: pipes in place of the caller's files. */
function takeFiles(steps: Section, streams: Streaming, at: string): void {
  const channels = podChannels(streams);
  if (channels.length === 0) return;
  leaveStreams(steps, streams);
  for (const { stream, number } of channels) {
    const both = stream === 1 && streams.caller?.shared === true;
    for (const fd of both ? [1, 2] : [stream]) {
      steps.must(`write into a pipe ${at}`, "dup3", [APP_SIDE + number, fd, 0]);
    }
  }
}

function prepareParent(steps: Section): void {
  steps.heading("enter: this process, in the caller's namespaces");
  steps.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-enter"]);
  // Before anything of it can be seen in the app: neither its memory nor its executable can be opened there.
  steps.must("keep the app from tracing this process", "prctl", [k.PR_SET_DUMPABLE, 0]);
  undoInheritance(steps);
}

/** A PID namespace is that of children only: it is chosen for one child, and given up again. */
function makeChild(steps: Section, entering: Entering, self: Slot, child: Slot): void {
  steps.heading("enter: a process in the app's PID namespace");
  const hint = GONE;
  if (entering.rootless === true) makeChildBySibling(steps, entering, child);
  else {
    steps.must("choose the PID namespace", "setns", [entering.process, k.CLONE_NEWPID], { hint });
    steps.must("make the program's process", "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: child });
    steps.when(child, 0, "program");
    steps.must("return to the own PID namespace", "setns", [self, k.CLONE_NEWPID]);
  }
  const { process, users, cgroups } = entering;
  for (const fd of [process, ...users === undefined ? [] : [users], ...cgroups]) {
    steps.attempt("leave the app to the program", "close", [fd]);
  }
}

/**
 * Another child chooses the PID namespace, and makes the program's process a child of this one.
 */
function makeChildBySibling(steps: Section, entering: Entering, child: Slot): void {
  spawnIntermediate(steps, {
    what: "make a process that chooses the PID namespace",
    label: "choose the namespace",
    made: child,
    next: "made",
    missing: "it has said why there is no program",
  });
  steps.label("choose the namespace");
  steps.must("choose the PID namespace", "setns", [entering.process, k.CLONE_NEWPID], {
    hint: GONE,
  });
  steps.must("make the program's process", "clone", [
    k.CLONE_PARENT | k.SIGCHLD,
    0,
    0,
    0,
    0,
  ], { store: child });
  steps.when(child, 0, "program");
  steps.attempt("leave it to the parent", "exit_group", [0]);
  steps.label("made");
}

/** The child: into the app, then whatever takes away from what it may do, then `execve`. */
function startProgram(
  steps: Section,
  entering: Entering,
  streams: Streaming,
  parent: Slot,
  terminal?: Terminal,
): void {
  const { app } = entering;
  const at = `in app "${app.name}"`;
  const hint = GONE;
  steps.heading(`enter: the program in app "${app.name}"`);
  steps.label("program");
  steps.must(`start a session ${at}`, "setsid", []);
  takeFiles(steps, streams, at);
  // By the host's files, where the app has no say.
  for (const cgroup of entering.cgroups) joinCgroup(steps, entering, cgroup);
  scoreForMemory(steps, at, app);
  labelProgram(steps, at, app);
  // The root and the working directory become those of the mount namespace: the app's root.
  steps.must(`join the namespaces of app "${app.name}"`, "setns", [
    entering.process,
    entering.namespaces,
  ], { hint });
  if (entering.root !== undefined) {
    steps.must(`enter the root ${at}`, "chdir", [entering.root], { hint });
    steps.must(`change the root ${at}`, "chroot", ["."]);
    steps.must(`enter the new root ${at}`, "chdir", ["/"]);
  }
  if (entering.users !== undefined) {
    // The last: root of the pod has no power over the host's namespaces.
    steps.must(`become a user of the pod ${at}`, "setns", [entering.users, k.CLONE_NEWUSER], {
      hint,
    });
    // Else the terminal would be that of a user whom the app does not have.
    steps.must(`become root's group ${at}`, "setresgid", [0, 0, 0]);
    steps.must(`become root ${at}`, "setresuid", [0, 0, 0]);
  }
  if (terminal !== undefined) takeNewTerminal(steps, at, terminal);
  confine(steps, at, app, "pod");
  dieWithParent(steps, at, entering.root === undefined ? undefined : parent);
  releaseSignals(steps, at);
  filterSystemCalls(steps, app);
  execute(steps, at, entering.programs, vector(app.environment), {
    what: entering.command,
    hint: "name a program that is in the app's image",
  });
}

/**
 * Into a cgroup of the app's. A user may move processes only below what was delegated to him, and who calls `rkt enter` may
 * be elsewhere, in a session: then the program runs without the app's limits, as is said.
 */
function joinCgroup(steps: Section, { app, rootless }: Entering, cgroup: number): void {
  const what = `join the cgroup of app "${app.name}"`;
  if (rootless !== true) return steps.must(what, "write", [cgroup, "0", 1], { hint: GONE });
  const joined = `cgroup ${cgroup} joined`;
  const result = slot("result");
  steps.attempt(what, "write", [cgroup, "0", 1], {
    store: result,
    branch: { when: "equal", operand: 1, to: joined },
  });
  const said = `enter: warning: the limits of app "${app.name}" do not hold for this program; ` +
    "they do when rkt is called by: systemd-run --user --scope rkt enter …\n";
  steps.attempt("say so", "write", [2, said, new TextEncoder().encode(said).length]);
  steps.label(joined);
}

/**
 * Behind the last change of user, which would undo it. The parent's PID is 0 here, where its namespace is another one.
 *
 * @param own the parent's PID where its namespace is the program's, too
 */
function dieWithParent(steps: Section, at: string, own?: Slot): void {
  const parent = slot("parent");
  steps.must(`die with rkt enter ${at}`, "prctl", [k.PR_SET_PDEATHSIG, k.SIGKILL]);
  steps.attempt("see whether it lives", "getppid", [], { store: parent });
  steps.compute("sub", [parent, own ?? 0], {
    store: parent,
    branch: { when: "equal", operand: 0, to: "lifecycles" },
  });
  steps.attempt("it is dead", "exit_group", [128 + k.SIGKILL]);
  steps.label("lifecycles");
}

function wait(
  steps: Section,
  waiting: Section,
  program: Slot,
  writer: StreamReader | undefined,
  terminal?: Terminal,
): void {
  const signal = slot("signal");
  const child = slot("child");
  const status = slot("status");
  const code = slot("code");
  const other = slot("difference");
  steps.heading("enter: wait");
  waitForSignal(steps, waiting, signal, terminal !== undefined);
  steps.when(signal, k.SIGALRM, "wait");
  steps.attempt("pass the signal on to the program", "kill", [program, signal]);
  steps.goto("wait");

  // The program can't go on without the relay of its output.
  if (terminal !== undefined) {
    steps.label("kill");
    steps.attempt("kill the program", "kill", [program, k.SIGKILL]);
    steps.goto("wait");
  }

  steps.label("reap");
  steps.attempt("see which child ended", "wait4", [-1, addressOf(status), k.WNOHANG, 0], {
    store: child,
    branch: { when: "less", operand: 1, to: "wait" },
  });
  if (terminal !== undefined) relayEnded(steps, child, terminal);
  if (writer !== undefined) readerEnded(steps, writer, child, "reap");
  steps.compute("sub", [child, program], {
    store: other,
    branch: { when: "different", operand: 0, to: "reap" },
  });
  exitCode(steps, status, code, "end");
  steps.label("end");
  if (writer !== undefined) awaitReader(steps, writer);
  if (terminal !== undefined) closeTerminal(steps, terminal);
  steps.attempt("end as the program ended", "exit_group", [code]);
}
