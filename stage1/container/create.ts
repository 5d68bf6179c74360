/**
 * The plan of `rkt oci create` and `run`: the runtime process becomes it, and it makes the container.
 *
 *     runtime          waits for the worker; on a failure it takes away what there is, and says why
 *       └ worker       in the caller's namespaces: maps, cgroups, hooks of the runtime, the files with the PID
 *           └ init     the container's first process: it becomes the user's program when `start` says so
 *
 * Where namespaces are joined, a process between worker and init enters them, and makes init a child of the worker. `create`
 * leaves nobody behind but init, whose parent is then whoever called, or the next one who takes orphans.
 */
import * as k from "../../src/linux/constants.ts";
import { ERROR_FD } from "../engine/abort.ts";
import { addressOf, type Plan, Section, type Slot, slot, space, zeroSlot } from "../engine/plan.ts";
import { attachDeviceProgram } from "../cgroup/devices.ts";
import { writeDecimal } from "../steps/decimal.ts";
import { splitPair } from "../steps/fd_passing.ts";
import { limitOpenFiles, resetSignals } from "../steps/inherited.ts";
import { spawnIntermediate } from "../steps/intermediate_process.ts";
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import type { Container } from "./container.ts";
import { containerInit } from "./container_init.ts";
import { foreground, FOREGROUND_SIGNALS, openForeground } from "./foreground.ts";
import { runHooks } from "./hooks.ts";
import { passListener } from "./listener.ts";
import { hear, hookState, type Making, removeContainer, stoppedState, tell } from "./making.ts";
import { writeFile, writePidFile } from "./pid_file.ts";
import { reportFailure } from "./report_failure.ts";
import { startAndWait } from "./run_container.ts";

/** Bytes of a `struct statx` (include/uapi/linux/stat.h). */
const STATX_SIZE = 256;

/** The plan that makes a container. */
export function createPlan(container: Container): Plan {
  const s = new Section();
  const making: Making = {
    container,
    init: zeroSlot("init"),
    workerEnd: slot("worker's end"),
    initEnd: slot("init's end"),
    said: slot("what is said"),
    says: slot("says"),
    digits: space("digits of the PID", 32),
    length: zeroSlot("number of digits"),
    ...container.run?.relaysTerminal === true && { foreground: foreground() },
  };
  runtime(s, making);
  worker(s, making);
  if (hasJoiner(container)) joiner(s, making);
  containerInit(s, making);
  return {
    setup: s.items,
    resident: [],
    ...container.log !== undefined && { failures: "json" as const },
  };
}

function runtime(s: Section, making: Making): void {
  const { container, said, says } = making;
  const child = slot("worker");
  const status = slot("status");
  const pair = space("pipe", 8);
  s.heading("runtime: this process, in the caller's namespaces");
  s.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-oci"]);
  resetSignals(s);
  // Signals that come meanwhile would leave half a container; a hook that does not read would send PIPE.
  s.must("hold signals back", "rt_sigprocmask", [
    k.SIG_SETMASK,
    signalSet([
      k.SIGHUP,
      k.SIGINT,
      k.SIGQUIT,
      k.SIGTERM,
      k.SIGPIPE,
      k.SIGCHLD,
      k.SIGUSR1,
      k.SIGUSR2,
      ...making.foreground === undefined ? [] : FOREGROUND_SIGNALS,
    ]),
    0,
    SIGSET_SIZE,
  ]);
  limitOpenFiles(s);
  if (making.foreground !== undefined) openForeground(s, making.foreground);
  s.must("take orphans", "prctl", [k.PR_SET_CHILD_SUBREAPER, 1]);
  s.must("make a pipe for failures", "pipe2", [pair, k.O_CLOEXEC | k.O_NONBLOCK]);
  splitPair(s, pair, said, says);
  // VM: it shares memory with this process, so init's PID is known here. VFORK: this process sleeps until it has ended.
  s.must("make the worker", "clone", [k.CLONE_VM | k.CLONE_VFORK | k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
  });
  s.when(child, 0, "worker");
  s.attempt("wait for its end", "wait4", [child, addressOf(status), 0, 0]);
  s.compute("and", [status, 0xffff], {
    store: status,
    branch: { when: "different", operand: 0, to: "failed" },
  });
  if (container.run === undefined) s.attempt("the container is made", "exit_group", [0]);
  else startAndWait(s, making);
  s.label("failed");
  const skipped = "no init";
  s.when(making.init, 0, skipped);
  s.attempt("kill init", "kill", [making.init, k.SIGKILL]);
  s.attempt("wait for its end", "wait4", [making.init, addressOf(status), k.__WALL, 0]);
  s.label(skipped);
  removeContainer(s, container);
  const noHooks = "no hooks behind the failure";
  s.when(making.init, 0, noHooks);
  // They take away what others have made for it (runtime.md, "Lifecycle").
  runHooks(s, "poststop, as it failed,", container.hooks.poststop, stoppedState(making), "passes");
  s.label(noHooks);
  reportFailure(s, making.said, container.descriptors.log, container.log);
  s.attempt("say that it failed", "exit_group", [1]);
}

function worker(s: Section, making: Making): void {
  const { container, init, workerEnd, initEnd, digits, length, says } = making;
  const { namespaces, hooks } = container;
  const pair = space("sockets", 8);
  s.heading("worker: a child of the runtime");
  s.label("worker");
  s.compute("put", [addressOf(ERROR_FD), says]);
  s.must("make the socket to init", "socketpair", [
    k.AF_UNIX,
    k.SOCK_SEQPACKET | k.SOCK_CLOEXEC,
    0,
    pair,
  ]);
  splitPair(s, pair, workerEnd, initEnd);
  if (hasJoiner(container)) spawnJoiner(s, making);
  else {
    s.must("make init", "clone", [namespaces.made | k.SIGCHLD, 0, 0, 0, 0], { store: init });
    s.when(init, 0, "init");
  }
  s.attempt("leave its end to init", "close", [initEnd]);
  const end = slot("end of the digits");
  writeDecimal(s, "init's PID", init, digits, end, { digits: 10 });
  s.compute("sub", [end, digits], { store: length });
  if (namespaces.maps !== undefined) writeMaps(s, making, namespaces.maps);
  allowDevices(s, container);
  for (const path of container.cgroups) joinCgroup(s, path, making);
  for (const path of container.returnsTo) leaveCgroup(s, path);
  tell(s, "let init go on", workerEnd, making);
  hear(s, "until it has its mounts", workerEnd, "mounts");
  runHooks(s, "prestart", hooks.prestart, hookState(making, "creating"), "ends");
  runHooks(s, "createRuntime", hooks.createRuntime, hookState(making, "creating"), "ends");
  tell(s, "let init go on", workerEnd, making);
  passListener(s, making);
  hear(s, "until it waits to be started", workerEnd, "ready");
  noteProcess(s, making);
  s.attempt("the container is made", "exit_group", [0]);
}

/** Init's directory in /proc; it has to be closed. */
function openProcess(s: Section, { digits, length }: Making): Slot {
  const path = space("path", 48);
  const at = slot("at");
  const word = slot("eight digits");
  const directory = slot("process");
  s.compute("load", ["/proc/  "], { store: word });
  s.compute("put", [path, word]);
  s.compute("add", [path, 6], { store: at });
  s.compute("load", [addressOf(digits)], { store: word });
  s.compute("put", [at, word]);
  s.compute("add", [at, 8], { store: at });
  s.compute("load", [addressOf(digits, 8)], { store: word });
  s.compute("put", [at, word]);
  s.compute("add", [path, 6], { store: at });
  s.compute("add", [at, length], { store: at });
  s.compute("put", [at, 0]);
  s.must("open init's directory in /proc", "openat", [
    k.AT_FDCWD,
    path,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: directory, hint: "is /proc mounted?" });
  return directory;
}

function writeMaps(
  s: Section,
  making: Making,
  maps: NonNullable<Container["namespaces"]["maps"]>,
): void {
  const directory = openProcess(s, making);
  const file = slot("file");
  const all = [
    ...maps.deniesSetgroups ? [["setgroups", "deny"] as const] : [],
    ["uid_map", maps.users] as const,
    ["gid_map", maps.groups] as const,
  ];
  for (const [name, text] of all) {
    const what = `write ${name} of the user namespace`;
    s.must(what, "openat", [directory, name, k.O_WRONLY | k.O_CLOEXEC, 0], { store: file });
    s.must(what, "write", [file, text, text.length]);
    s.attempt("close it", "close", [file]);
  }
  s.attempt("close the directory", "close", [directory]);
}

function allowDevices(s: Section, { allowedDevices }: Container): void {
  if (allowedDevices === undefined) return;
  const cgroup = slot("cgroup");
  const what = "let the container use its devices, and no others";
  s.must(what, "openat", [
    k.AT_FDCWD,
    allowedDevices.cgroup,
    k.O_RDONLY | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: cgroup });
  attachDeviceProgram(s, what, allowedDevices.devices, cgroup);
  s.attempt("close the cgroup", "close", [cgroup]);
}

function joinCgroup(s: Section, path: string, { digits, length }: Making): void {
  const file = slot("file");
  const what = `put init into the cgroup ${path.slice(0, path.lastIndexOf("/"))}`;
  s.must(what, "openat", [k.AT_FDCWD, path, k.O_WRONLY | k.O_CLOEXEC, 0], { store: file });
  s.must(what, "write", [file, addressOf(digits), length]);
  s.attempt("close it", "close", [file]);
}

/** Moves this process and the runtime's to where they were: what is in the container's cgroups counts as the container's. */
function leaveCgroup(s: Section, path: string): void {
  const file = slot("file");
  const runtime = slot("runtime");
  const end = slot("end of the digits");
  const pid = space("digits of the runtime's PID", 16);
  const size = slot("size");
  const failed = `stays in its cgroup: ${path}`;
  const what = `go back to the cgroup ${path.slice(0, path.lastIndexOf("/"))}`;
  s.attempt("the runtime is this process' parent", "getppid", [], { store: runtime });
  writeDecimal(s, "the runtime's PID", runtime, pid, end, { digits: 10 });
  s.compute("sub", [end, pid], { store: size });
  s.attempt(what, "openat", [k.AT_FDCWD, path, k.O_WRONLY | k.O_CLOEXEC, 0], {
    store: file,
    branch: { when: "less", operand: 0, to: failed },
  });
  s.attempt(what, "write", [file, pid, size]);
  s.attempt(what, "write", [file, "0", 1]);
  s.attempt("close it", "close", [file]);
  s.label(failed);
}

/** Writes init's PID and what /proc says of it, by which it is known again, into the state; and the engine's file. */
function noteProcess(s: Section, making: Making): void {
  const { container, digits, length } = making;
  const directory = openProcess(s, making);
  const stat = space("stat", 1024);
  const size = slot("size");
  const file = slot("file");
  const what = "note the process of the container";
  s.must(what, "openat", [directory, "stat", k.O_CLOEXEC, 0], { store: file });
  s.must(what, "read", [file, stat, 1024], { store: size });
  s.attempt("close it", "close", [file]);
  s.attempt("close the directory", "close", [directory]);
  writeFile(s, what, `${container.directory}/stat`, stat, size);
  noteIdentity(s, making);
  writeFile(s, what, `${container.directory}/pid`, addressOf(digits), length);
  if (container.pidFile !== undefined) {
    writePidFile(s, container.pidFile, addressOf(digits), length);
  }
}

/** Writes down the status of a pidfd of init, whose inode no other process ever has (Linux 6.9; all have the same before). */
function noteIdentity(s: Section, { container, init }: Making): void {
  const what = "note which process it is";
  const pidfd = slot("pidfd");
  const status = space("statx", STATX_SIZE);
  const size = slot("size");
  s.must(what, "pidfd_open", [init, 0], { store: pidfd });
  s.must(what, "statx", [pidfd, "", k.AT_EMPTY_PATH, k.STATX_BASIC_STATS, status]);
  s.attempt("close it", "close", [pidfd]);
  s.set(size, STATX_SIZE);
  writeFile(s, what, `${container.directory}/pidfd`, status, size);
}

/** Whether a process has to enter namespaces before init is made. */
const hasJoiner = ({ namespaces: { joined, timeOffsets } }: Container): boolean =>
  joined.length > 0 || timeOffsets !== undefined;

function spawnJoiner(s: Section, { init }: Making): void {
  spawnIntermediate(s, {
    what: "make a process that enters namespaces",
    label: "joiner",
    made: init,
    next: "init is made",
    missing: "it has said why there is no init",
  });
  s.label("init is made");
}

function joiner(s: Section, { container, init }: Making): void {
  const { namespaces } = container;
  s.heading("joiner: a child of the worker, which enters the namespaces that are there");
  s.label("joiner");
  const opened = namespaces.joined.map(({ path, name }) => {
    const fd = slot(`${name} namespace`);
    s.must(`open the ${name} namespace ${path}`, "openat", [k.AT_FDCWD, path, k.O_CLOEXEC, 0], {
      store: fd,
    });
    return fd;
  });
  for (const [i, { flag, name, path }] of namespaces.joined.entries()) {
    const fd = opened[i];
    if (fd === undefined) throw new Error("a namespace is not open");
    s.must(`enter the ${name} namespace ${path}`, "setns", [fd, flag]);
    s.attempt("close it", "close", [fd]);
  }
  if (namespaces.timeOffsets !== undefined) {
    const file = slot("file");
    const text = namespaces.timeOffsets;
    s.must("make a time namespace", "unshare", [k.CLONE_NEWTIME]);
    if (text !== "") {
      s.must("set the offsets of its clocks", "openat", [
        k.AT_FDCWD,
        "/proc/self/timens_offsets",
        k.O_WRONLY | k.O_CLOEXEC,
        0,
      ], { store: file });
      s.must("set the offsets of its clocks", "write", [file, text, text.length]);
      s.attempt("close it", "close", [file]);
    }
  }
  s.must("make init", "clone", [namespaces.made | k.CLONE_PARENT | k.SIGCHLD, 0, 0, 0, 0], {
    store: init,
  });
  s.when(init, 0, "init");
  s.attempt("leave it to the worker", "exit_group", [0]);
}
