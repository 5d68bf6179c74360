/**
 * `rkt app start`: an app in a pod that runs already. What rkt becomes joins the pod and leaves a shim behind:
 *
 *     rkt app start     in the caller's namespaces; ends when the app is on its way, or has failed
 *       entrant         in the pod's PID namespace; its death makes the shim a child of the pod's init
 *         shim          builds the app's root in a mount namespace of its own, and then does for the one app what init
 *           app …       does for the apps of other pods: init_loop.ts
 *
 * A process whose parent dies becomes a child of its parent's PID namespace's init (pid_namespaces(7)), and the first
 * process is in the caller's namespace still. That is why there are two.
 */
import { limitOpenFiles, resetSignals } from "../steps/inherited.ts";
import { exitCode } from "../steps/wait.ts";
import { FORWARDED, signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import type { OpenRoot } from "../root/open_root.ts";
import { startApp } from "../app/app.ts";
import { addCgroups, type Cgroups, leavePodCgroups } from "../cgroup/cgroup.ts";
import { initLoop } from "./init_loop.ts";
import type { Role } from "./init_state.ts";
import { fileWriter, runFileWriter } from "../output/file_writer.ts";
import { protectStreams } from "../output/protect_streams.ts";
import { logger, runLogger } from "../output/logger.ts";
import { APPS_LOCK, STOP_APP, STOPPING } from "./sandbox.ts";
import { ERROR_FD, EXIT_FAILURE, FAILED_WITH } from "../engine/abort.ts";
import * as k from "../../src/linux/constants.ts";
import {
  addressOf,
  emptySections,
  type Plan,
  planOf,
  type Section,
  type Sections,
  type Slot,
  slot,
  type Space,
  space,
  struct,
} from "../engine/plan.ts";
import { type FdSocket, splitPair } from "../steps/fd_passing.ts";
import type { Pod, PodApp } from "../pod.ts";
import { startReader, type StreamReader } from "../output/stream_reader.ts";
import { openKernelFiles } from "../root/kernel_files.ts";
import { becomePodRoot, leaveHostMounts } from "../root/private_users.ts";
import { attachRoot, makePlaces, openRoot } from "../root/root.ts";
import { openStreams, receiveTerminals } from "../output/open_streams.ts";
import { leaveOutputs } from "../output/streams.ts";

/** Descriptors in the hands of the plan, far above those that are in use: a pidfd of the pod's init, and its standard error. */
export const POD_INIT = 201;
export const POD_ERRORS = 203;
/** Its mount namespace: a pidfd would not do, because init can't be traced by the users of the pod (setns(2)). */
export const POD_MOUNTS = 204;

const SHIM_WAITS_FOR = signalSet([
  ...FORWARDED,
  k.SIGALRM,
  k.SIGCHLD,
  k.SIGCONT,
  k.SIGPIPE,
  STOP_APP,
]);

/** What may be the pod's own; to join one that the caller is in has no effect. The mount namespace comes later. */
const JOINED = k.CLONE_NEWPID | k.CLONE_NEWUTS | k.CLONE_NEWIPC | k.CLONE_NEWNET;

/**
 * The plan that starts the only app of `pod`. The caller has locked the app for it, by a descriptor that is inherited.
 *
 * @param pod the pod, as if this were its only app
 */
export function addedAppPlan(pod: Pod, app: PodApp): Plan {
  const sections = emptySections();
  const readers = { log: logger(pod), files: fileWriter(pod) };
  const { cgroups, fdSocket } = join(sections.setup, pod, app, readers);
  shim(sections, pod, app, cgroups, fdSocket);
  // Its parent ends when the app is on its way.
  if (readers.log !== undefined) {
    runLogger(sections, readers.log, {
      receive: () => receiveMaster(sections.output, pod, fdSocket),
    });
  }
  if (readers.files !== undefined) runFileWriter(sections, readers.files, true);
  return planOf(sections);
}

function join(
  steps: Section,
  pod: Pod,
  app: PodApp,
  readers: Readers,
): { readonly cgroups: Cgroups | undefined; readonly fdSocket: FdSocket | undefined } {
  const entrant = slot("entrant");
  const status = slot("status");
  const code = slot("code");
  steps.heading("app start: this process, in the caller's namespaces");
  steps.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-app-start"]);
  // Its children inherit it: the first moment in which the apps see one of them is too late.
  steps.must("keep the apps from tracing what enters the pod", "prctl", [k.PR_SET_DUMPABLE, 0]);
  resetSignals(steps);
  steps.must("hold signals back", "rt_sigprocmask", [
    k.SIG_SETMASK,
    SHIM_WAITS_FOR,
    0,
    SIGSET_SIZE,
  ]);
  limitOpenFiles(steps);
  steps.attempt("leave the modes of files as they are given", "umask", [0]);
  steps.must("enter the pod's directory", "chdir", [`${pod.dataDirectory}/pods/run/${pod.uuid}`]);
  protectStreams(steps, pod, true);
  const fdSocket = startReaders(steps, pod, readers);
  const cgroups = addCgroups(steps, pod, app);
  steps.heading("app start: into the pod");
  // The app's files are the host's still, so this is not for the mount namespace.
  steps.must("join the pod's namespaces", "setns", [POD_INIT, JOINED]);
  steps.must("make a process in the pod", "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: entrant });
  steps.when(entrant, 0, "entrant");
  steps.must("wait for it", "wait4", [entrant, addressOf(status), 0, 0]);
  exitCode(steps, status, code, "joined");
  steps.label("joined");
  steps.attempt(`app "${app.name}" is on its way, or has failed`, "exit_group", [code]);
  return { cgroups, fdSocket };
}

/** Steps of the logger: only the shim can make the app's terminal, so the logger begins by waiting for its master. */
function receiveMaster(steps: Section, pod: Pod, fdSocket: FdSocket | undefined): void {
  if (fdSocket === undefined) return;
  const failed = "the shim has ended before";
  receiveTerminals(steps, pod, fdSocket, failed);
  steps.label(failed);
}

/** The processes of the app's output. */
interface Readers {
  readonly log: StreamReader | undefined;
  readonly files: StreamReader | undefined;
}

/**
 * Where the app's output goes, if not to the caller: its readers end with the shim, and not with the pod's init.
 *
 * @returns the socket by which the shim hands the app's terminal to the logger, where it has one
 */
function startReaders(steps: Section, pod: Pod, { log, files }: Readers): FdSocket | undefined {
  const fdSocket = openStreams(steps, pod);
  if (log === undefined && files === undefined) return fdSocket;
  const alive = slot("readers' end");
  socketPair(
    steps,
    "make a socket whose end shows that of the shim",
    alive,
    slot("shim's end"),
  );
  for (const each of [log, files]) if (each !== undefined) startReader(steps, each, alive);
  steps.must("leave the readers their end", "close", [alive]);
  if (fdSocket !== undefined) {
    steps.must("leave the logger its end of the terminal's socket", "close", [fdSocket.receiver]);
  }
  return fdSocket;
}

function socketPair(steps: Section, what: string, one: Slot, other: Slot): void {
  const pair: Space = space("sockets", 8);
  steps.must(what, "socketpair", [k.AF_UNIX, k.SOCK_SEQPACKET | k.SOCK_CLOEXEC, 0, pair]);
  splitPair(steps, pair, one, other);
}

/** Makes the shim, and waits until it is ready. Returns the shim's end of the socket between them. */
function entrant(steps: Section): Slot {
  const mine = slot("entrant's end");
  const ready = slot("shim's end");
  const child = slot("shim");
  const word = slot("word");
  steps.heading("app start: the entrant, in the pod's PID namespace");
  steps.label("entrant");
  socketPair(steps, "make a socket to the shim", mine, ready);
  steps.must("make the shim", "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: child });
  steps.when(child, 0, "shim");
  steps.attempt("close the shim's end", "close", [ready]);
  steps.attempt("hear from the shim", "read", [mine, addressOf(word), 8], {
    branch: { when: "equal", operand: 8, to: "shim ready" },
  });
  steps.attempt("the shim has said why it could not", "exit_group", [EXIT_FAILURE]);
  steps.label("shim ready");
  steps.attempt("leave the shim to init", "exit_group", [word]);
  return ready;
}

function shim(
  sections: Sections,
  pod: Pod,
  app: PodApp,
  cgroups: Cgroups | undefined,
  fdSocket: FdSocket | undefined,
): void {
  const { setup: steps } = sections;
  const statusDirectory = slot("status directory");
  const appsLock = slot("lock of the apps");
  const ready = entrant(steps);

  steps.heading("app start: the shim, which stays beside the app");
  steps.label("shim");
  leaveOutputs(steps, pod);
  steps.must("leave the caller's session", "setsid", []);
  steps.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-keeper"]);
  steps.must("keep the apps from tracing the shim", "prctl", [k.PR_SET_DUMPABLE, 0]);
  steps.must("open the pod's status directory", "openat", [
    k.AT_FDCWD,
    "stage1/rootfs/rkt/status",
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: statusDirectory });
  steps.must("open the directory that is locked while apps run", "openat", [
    k.AT_FDCWD,
    APPS_LOCK,
    k.O_RDONLY | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: appsLock });
  steps.keep(appsLock, "while it is locked, an app runs");
  steps.must("lock it", "flock", [appsLock, k.LOCK_SH | k.LOCK_NB], { hint: "the pod is ending" });
  noteShim(steps, statusDirectory, app);
  leavePodCgroups(steps, cgroups);
  const root = openAddedRoot(steps, pod, app);
  steps.must("join the pod's mount namespace", "setns", [POD_MOUNTS, k.CLONE_NEWNS]);
  steps.must("copy it for this app", "unshare", [k.CLONE_NEWNS]);
  setReadOnly(steps, "make the copy's root writable", false);
  steps.attempt("remove what an earlier start of the app has left", "unlinkat", [
    k.AT_FDCWD,
    `/${app.name}`,
    k.AT_REMOVEDIR,
  ]);
  makePlaces(steps, [app]);
  setReadOnly(steps, "make the copy's root read-only again", true);
  // Files of the host's own are there as copies; see ownFiles().
  attachRoot(steps, pod, app, root, { fdSocket, keepsMasters: true }, new Map());
  if (fdSocket !== undefined) steps.attempt("close the socket", "close", [fdSocket.sender]);
  steps.goto("init ready");
  startApp(sections.spawn, pod, app, cgroups);
  initLoop(sections, pod, statusDirectory, cgroups, shimRole(app, ready, appsLock));
}

/** What of the app's root comes from the host; with users of the pod's own the shim is their root from then on. */
function openAddedRoot(steps: Section, pod: Pod, app: PodApp): OpenRoot {
  if (pod.privateUsers === undefined) {
    const root = openRoot(steps, pod, app);
    if (pod.rootless !== true) return root;
    // As below: the pod's init has left the host's files, and this process sees them still.
    return { ...root, ...openKernelFiles(steps, pod, app, root) };
  }
  leaveHostMounts(steps);
  const root = openRoot(steps, pod, app);
  becomePodRoot(steps);
  // What changes a process's users makes it traceable again, if the host says so (fs.suid_dumpable).
  steps.must("keep the apps from tracing the shim", "prctl", [k.PR_SET_DUMPABLE, 0]);
  // Of the kernel's files the users may mount only what they see, and the pod's init has left the host's.
  steps.must("see the host's mounts as the pod's root", "unshare", [k.CLONE_NEWNS]);
  return { ...root, ...openKernelFiles(steps, pod, app, root) };
}

/** Forgets how the app ended before, and notes the shim's PID in the pod, for `rkt app stop`. */
function noteShim(steps: Section, statusDirectory: Slot, app: PodApp): void {
  const pid = slot("shim's pid");
  const file = slot("file");
  for (const name of [app.name, `${app.name}-restarts`]) {
    steps.attempt("forget how the app ended before", "unlinkat", [statusDirectory, name, 0]);
  }
  steps.attempt("get the own PID", "getpid", [], { store: pid });
  steps.must("note the shim's PID", "openat", [
    statusDirectory,
    `${app.name}-keeper`,
    k.O_WRONLY | k.O_CREAT | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  steps.must("write it", "write", [file, addressOf(pid), 4]);
  steps.attempt("close the file", "close", [file]);
}

const setReadOnly = (steps: Section, what: string, on: boolean) =>
  steps.must(what, "mount_setattr", [
    k.AT_FDCWD,
    "/",
    0,
    struct(
      "mount_attr",
      ["attr_set", 8, on ? k.MOUNT_ATTR_RDONLY : 0],
      ["attr_clr", 8, on ? 0 : k.MOUNT_ATTR_RDONLY],
      ["propagation", 8, 0],
      ["userns_fd", 8, 0],
    ),
    32,
  ]);

function shimRole(app: PodApp, ready: Slot, appsLock: Slot): Role {
  return {
    waitsFor: SHIM_WAITS_FOR,
    // It goes on when the app's program runs, or could not be run: with VFORK; and sees which: with VM.
    cloneFlags: k.CLONE_VM | k.CLONE_VFORK,
    inChild: (steps) => {
      // It shares the shim's memory, where an earlier process may have changed this.
      steps.compute("put", [addressOf(ERROR_FD), 2]);
      steps.must("die with the shim", "prctl", [k.PR_SET_PDEATHSIG, k.SIGKILL]);
    },
    up: (steps) => report(steps, app, ready, appsLock),
    signal: (steps, signal) => {
      // What ends the whole pod is not for a shim to do.
      steps.when(signal, k.SIGALRM, "init wait");
      steps.compute("let", [signal], {
        branch: { when: "different", operand: STOP_APP, to: "shim's signal" },
      });
      steps.set(signal, k.SIGTERM);
      steps.label("shim's signal");
    },
  };
}

/** Says how the start went, and lets go of the caller. */
function report(steps: Section, { streams }: PodApp, ready: Slot, appsLock: Slot): void {
  const word = slot("word");
  const file = slot("file");
  const self = slot("self");
  steps.when(FAILED_WITH, 0, "app was started");
  steps.set(word, EXIT_FAILURE); // its program could not be run, as it has said itself
  steps.label("app was started");
  steps.attempt("tell how the start went", "write", [ready, addressOf(word), 8]);
  steps.attempt("let go of the entrant", "close", [ready]);
  if (Object.values(streams).every((mode) => mode !== "inherit")) {
    for (const [fd, name] of ["input", "output", "error output"].entries()) {
      steps.attempt(`let go of the caller's ${name}`, "dup3", [POD_ERRORS, fd, 0]);
    }
  }
  steps.attempt("see whether the pod is to end", "openat", [
    appsLock,
    STOPPING,
    k.O_PATH | k.O_CLOEXEC,
    0,
  ], { store: file, branch: { when: "error", to: "init wait" } });
  steps.attempt("close it", "close", [file]);
  steps.attempt("get the own PID", "getpid", [], { store: self });
  steps.attempt("stop the app", "kill", [self, k.SIGTERM]);
}
