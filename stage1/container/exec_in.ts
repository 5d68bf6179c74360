/**
 * `rkt oci exec`: a process in a container that runs. The runtime's process chooses the PID namespace and makes the process,
 * which enters the rest by a pidfd: nothing of the container is found by a name that it could change.
 */
import * as k from "../../src/linux/constants.ts";
import { ERROR_FD } from "../engine/abort.ts";
import { addressOf, type Plan, Section, type Slot, slot, space } from "../engine/plan.ts";
import { writeDecimal } from "../steps/decimal.ts";
import { splitPair } from "../steps/fd_passing.ts";
import { limitOpenFiles, resetSignals } from "../steps/inherited.ts";
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import type { ContainerProcess } from "./container.ts";
import {
  becomeContainerProcess,
  chooseExecutable,
  chooseProcessors,
  executeContainerProcess,
  labelContainerProcess,
  releaseAllSignals,
  scheduleContainerProcess,
  setLimits,
} from "./container_process.ts";
import { openContainerTerminal, takeContainerTerminal } from "./container_terminal.ts";
import {
  type Foreground,
  foreground,
  FOREGROUND_SIGNALS,
  openForeground,
  terminalOf,
} from "./foreground.ts";
import { sendOwnListener } from "./listener.ts";
import { writePidFile } from "./pid_file.ts";
import { reportFailure } from "./report_failure.ts";
import { awaitEnd } from "./run_container.ts";

/** What is to run in which container. Descriptors are numbers that this process has open. */
export interface ContainerExec {
  /** A pidfd of the container's first process. */
  readonly target: number;
  /** `CLONE_NEW*` of its namespaces that are others than ours. */
  readonly namespaces: number;
  /** Whether the others can be entered only by who is in its user namespace: the caller is not the host's root. */
  readonly entersUsersFirst?: boolean | undefined;
  /** Its root, where its mount namespace is ours. */
  readonly root?: number | undefined;
  /** The `cgroup.procs` files of its cgroups. */
  readonly cgroups: readonly string[];
  readonly process: ContainerProcess;
  readonly hasUsers: boolean;
  readonly detached: boolean;
  /** Where the PID is written to, for the engine; absolute. */
  readonly pidFile?: string | undefined;
  readonly console?: number | undefined;
  readonly log?: {
    readonly descriptor: number;
    readonly around: readonly [before: string, after: string];
  } | undefined;
  readonly preserved: number;
  /** Whether the process's terminal is relayed to the caller's, which is this process's input. */
  readonly relaysTerminal?: boolean | undefined;
}

/** Where the pipe for failures is moved: above all that is preserved. */
const SAYS = 210;
/** Where the socket is moved that the listener of a filter goes over. */
const SENDS = SAYS + 1;

/** The plan that runs a process in a container. */
export function execPlan(exec: ContainerExec): Plan {
  const s = new Section();
  const child = slot("process");
  const [said, says] = [slot("what is said"), slot("says")];
  const pair = space("pipe", 8);
  s.heading("runtime: this process, in the caller's namespaces");
  s.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-oci"]);
  // Before anything of it can be seen in the container: neither its memory nor its executable can be opened there.
  s.must("keep the container from tracing it", "prctl", [k.PR_SET_DUMPABLE, 0]);
  resetSignals(s);
  s.must("hold signals back", "rt_sigprocmask", [
    k.SIG_SETMASK,
    signalSet([
      ...[k.SIGHUP, k.SIGINT, k.SIGQUIT, k.SIGTERM, k.SIGCHLD, k.SIGUSR1, k.SIGUSR2],
      ...exec.relaysTerminal === true ? FOREGROUND_SIGNALS : [],
    ]),
    0,
    SIGSET_SIZE,
  ]);
  limitOpenFiles(s);
  const own = exec.relaysTerminal === true ? foreground() : undefined;
  if (own !== undefined) openForeground(s, own);
  s.must("make a pipe for failures", "pipe2", [pair, k.O_CLOEXEC]);
  splitPair(s, pair, said, says);
  const first = enteredFirst(exec);
  if (first !== 0) {
    s.must("choose the PID namespace", "setns", [exec.target, first], { hint: GONE });
  }
  s.must("make the process", "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: child });
  s.when(child, 0, "process");
  s.attempt("leave it to the process", "close", [says]);
  if (own !== undefined) {
    s.must("return to the own PID namespace", "setns", [own.alive, k.CLONE_NEWPID]);
  }
  awaitProcess(s, exec, child, said, own);
  program(s, exec, says, own);
  return {
    setup: s.items,
    resident: [],
    ...exec.log !== undefined && { failures: "json" as const },
  };
}

const GONE = "the container has ended";

/** The namespaces that the runtime's process enters before it makes the other one. */
const enteredFirst = ({ namespaces, entersUsersFirst }: ContainerExec): number =>
  namespaces & (entersUsersFirst === true ? k.CLONE_NEWPID | k.CLONE_NEWUSER : k.CLONE_NEWPID);

/** The pipe ends with execve(2), or with a failure that is said over it. */
function awaitProcess(
  s: Section,
  exec: ContainerExec,
  child: Slot,
  said: Slot,
  own: Foreground | undefined,
): void {
  reportFailure(s, said, exec.log?.descriptor, exec.log?.around, "it is executed");
  // Where it is the sender of the listener that has failed, it runs.
  s.attempt("end it", "kill", [child, k.SIGKILL]);
  s.attempt("wait for its end", "wait4", [child, 0, 0, 0]);
  s.attempt("say that it failed", "exit_group", [255]);
  s.label("it is executed");
  s.attempt("close the pipe", "close", [said]);
  if (exec.pidFile !== undefined) writePid(s, exec.pidFile, child);
  if (exec.detached) {
    s.attempt("it runs", "exit_group", [0]);
    return;
  }
  const code = awaitEnd(s, child, own);
  s.attempt("end as the process ended", "exit_group", [code]);
}

function writePid(s: Section, path: string, child: Slot): void {
  const digits = space("digits of the PID", 32);
  const [end, length] = [slot("end"), slot("number of digits")];
  writeDecimal(s, "the process's PID", child, digits, end, { digits: 10 });
  s.compute("sub", [end, digits], { store: length });
  writePidFile(s, path, digits, length);
}

function program(
  s: Section,
  exec: ContainerExec,
  says: Slot,
  own: Foreground | undefined,
): void {
  const { process } = exec;
  const file = slot("file");
  s.heading("process: in the container");
  s.label("process");
  s.must("move the pipe for failures", "dup3", [says, SAYS, k.O_CLOEXEC]);
  s.compute("put", [addressOf(ERROR_FD), SAYS]);
  const listener = process.filter?.listener;
  const number = { digits: space("digits of the own PID", 32), length: slot("length of the PID") };
  if (listener !== undefined) {
    s.must("move the socket for the listener", "dup3", [listener.socket, SENDS, k.O_CLOEXEC]);
    // While /proc is the caller's: of this process it tells the PID that the caller knows.
    s.must("see the own PID", "readlinkat", [k.AT_FDCWD, "/proc/self", number.digits, 32], {
      store: number.length,
    });
  }
  s.must("start a session", "setsid", []);
  chooseProcessors(s, "at first", process.initialAffinity);
  for (const path of exec.cgroups) {
    const what = `join the cgroup ${path.slice(0, path.lastIndexOf("/"))}`;
    s.must(what, "openat", [k.AT_FDCWD, path, k.O_WRONLY | k.O_CLOEXEC, 0], { store: file });
    s.must(what, "write", [file, "0", 1], { hint: GONE });
    s.attempt("close it", "close", [file]);
  }
  s.must("own the process's files in /proc", "prctl", [k.PR_SET_DUMPABLE, 1]);
  scheduleContainerProcess(s, process);
  labelContainerProcess(s, process);
  s.must("keep the container from tracing it", "prctl", [k.PR_SET_DUMPABLE, 0]);
  const namespaces = exec.namespaces & ~enteredFirst(exec);
  if (namespaces !== 0) {
    s.must("enter the container's namespaces", "setns", [exec.target, namespaces], { hint: GONE });
  }
  if (exec.root !== undefined) {
    s.must("enter the container's root", "fchdir", [exec.root]);
    s.must("change the root", "chroot", ["."]);
    s.must("enter the new root", "chdir", ["/"]);
  }
  if (exec.hasUsers) {
    s.attempt("have no other groups", "setgroups", [0, 0]);
    s.must("become the container's root group", "setresgid", [0, 0, 0]);
    s.must("become the container's root", "setresuid", [0, 0, 0]);
  }
  const console = own === undefined ? exec.console : terminalOf(own).fdSocket.sender;
  if (process.terminal !== undefined && console !== undefined) {
    openContainerTerminal(s, process.terminal, console, false);
    takeContainerTerminal(s);
  }
  s.must("close all below", "close_range", [3 + exec.preserved, SAYS - 1, 0]);
  const above = listener === undefined ? SAYS + 1 : SENDS + 1;
  s.must("close all above", "close_range", [above, 0xffffffff, 0]);
  setLimits(s, process.limits);
  becomeContainerProcess(s, process, SAYS, () => {
    if (listener !== undefined) sendOwnListener(s, SENDS, listener.text, number);
  });
  chooseExecutable(s, process);
  releaseAllSignals(s);
  executeContainerProcess(s, process);
}
