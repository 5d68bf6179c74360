/**
 * The pod's init: PID 1 of the pod's PID namespace. It builds the apps' roots, starts the apps, reaps what
 * they leave behind, notes how they ended, and ends with the pod's exit status.
 */
import { startApp } from "./app.ts";
import * as k from "./plan/constants.ts";
import { SETUP } from "./plan/elf.ts";
import { addressOf, mutableStruct, type Section, type Slot, slot, struct } from "./plan/plan.ts";
import type { Pod, PodApp } from "./pod.ts";
import {
  attachRoot,
  attributes,
  makeCovers,
  makeHostname,
  MOUNT_ATTR_SIZE,
  newMount,
  openRoot,
} from "./root.ts";
import { leaveStreams } from "./streams.ts";
import { alarm, exitCode, SIGSET_SIZE, type Supervisor, WAITED_FOR } from "./supervisor.ts";
import { applySettings } from "./sysctl.ts";

/** An app and what init remembers of it. */
interface Running {
  readonly app: PodApp;
  /** Its PID in the pod; 0 when it does not run. */
  readonly pid: Slot;
}

/** Init's part of the plan, from its birth under the label `init`. */
export function init(setup: Section, resident: Section, pod: Pod, supervisor: Supervisor): void {
  const statusDirectory = slot("status directory");
  const running = pod.apps.map((app) => ({ app, pid: slot(`pid of ${app.name}`) }));

  setup.heading("init: PID 1 of the pod");
  setup.label("init");
  dieWithSupervisor(setup, supervisor);
  leaveStreams(setup, pod);
  setup.must("leave the caller's session", "setsid", []);
  setup.try("name the process", "prctl", [k.PR_SET_NAME, "rkt-init"]);
  setup.must("keep the apps from tracing init", "prctl", [k.PR_SET_DUMPABLE, 0]);
  setup.must("set the host name", "sethostname", [
    pod.hostname,
    new TextEncoder().encode(pod.hostname).length,
  ]);
  if (pod.network === "none") loopbackUp(setup);

  applySettings(setup, pod);

  setup.heading("init: what comes from the host");
  setup.must("keep mounts from reaching the host", "mount", [
    "none",
    "/",
    0,
    k.MS_REC | k.MS_PRIVATE,
    0,
  ]);
  setup.must("open the pod's status directory", "openat", [
    k.AT_FDCWD,
    "stage1/rootfs/rkt/status",
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: statusDirectory });
  const roots = pod.apps.map((app) => openRoot(setup, app));

  const shm = pod.ipc === "parent" ? hostSharedMemory(setup) : undefined;

  leaveHost(setup, pod, shm);
  for (const [i, app] of pod.apps.entries()) {
    attachRoot(setup, pod, app, roots[i], supervisor.terminals);
  }
  setup.must("make init's root read-only", "mount_setattr", [
    k.AT_FDCWD,
    "/",
    0,
    attributes(k.MOUNT_ATTR_RDONLY),
    MOUNT_ATTR_SIZE,
  ]);

  for (const { app, pid } of running) {
    setup.heading(`init: start app "${app.name}"`);
    setup.must(`make a process for app "${app.name}"`, "clone", [
      k.CLONE_NEWNS | k.SIGCHLD,
      0,
      0,
      0,
      0,
    ], { store: pid });
    setup.when(pid, 0, `app ${app.name}`);
    noteStart(setup, statusDirectory, { app, pid });
  }
  setup.heading("init: the apps are on their way");
  setup.try("let go of the input", "close", [0]);
  setup.try("let go of the output", "close", [1]);
  setup.goto("init ready");

  for (const { app } of running) startApp(setup, pod, app);
  loop(resident, running, statusDirectory, pod.stopTimeout);
}

/** The kernel kills init, and with it the pod, when the supervisor dies; also if it died before we could ask for it. */
function dieWithSupervisor(setup: Section, supervisor: Supervisor): void {
  const poll = mutableStruct("pollfd", ["fd", 4, 0], ["events", 2, k.POLLIN], ["revents", 2, 0]);
  const value = slot("value");
  setup.must("die with the supervisor", "prctl", [k.PR_SET_PDEATHSIG, k.SIGKILL]);
  setup.compute("sum", [supervisor.alive, k.POLLIN * 2 ** 32], { store: value });
  setup.compute("put", [addressOf(poll), value]);
  const now = mutableStruct("timespec", ["seconds", 8, 0], ["nanoseconds", 8, 0]); // the kernel writes back what is left
  setup.try("see whether the supervisor lives", "ppoll", [poll, 1, now, 0, SIGSET_SIZE], {
    branch: { when: "equal", operand: 0, to: "supervised" },
  });
  setup.try("the supervisor is dead", "exit_group", [128 + k.SIGKILL]);
  setup.label("supervised");
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
  setup.try("close the socket", "close", [socket]);
}

const INERT = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC;

/** With `--ipc=parent`, what belongs to the IPC namespace that the pod shares. */
function hostSharedMemory(setup: Section): Slot {
  const shm = slot("shm");
  const what = "share the host's shared memory";
  setup.must(what, "open_tree", [
    k.AT_FDCWD,
    "/dev/shm",
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
  ], { store: shm });
  setup.must(what, "mount_setattr", [shm, "", k.AT_EMPTY_PATH, attributes(INERT), MOUNT_ATTR_SIZE]);
  return shm;
}

/** Init's own root becomes an empty tmpfs: nothing of the host's is left in its mount namespace. */
function leaveHost(setup: Section, pod: Pod, hostShm?: Slot): void {
  const root = slot("init's root");
  const shm = hostShm ?? slot("shm");
  const place = "stage1/rootfs";
  const attached = k.MOVE_MOUNT_F_EMPTY_PATH;
  setup.heading("init: leave the host's root");
  newMount(setup, "make init's root", "tmpfs", [["mode", "0755"], ["size", "1m"]], INERT, root);
  setup.must(`mount init's root on ${place}`, "move_mount", [
    root,
    "",
    k.AT_FDCWD,
    place,
    attached,
  ]);
  setup.must("enter init's root", "fchdir", [root]);
  setup.must("change the root to init's", "pivot_root", [".", "."]);
  setup.must("detach the host's root", "umount2", [".", k.MNT_DETACH]);
  setup.must("enter the new root", "chdir", ["/"]);
  makeCovers(setup);
  makeHostname(setup, pod);
  setup.must("make a place for shared memory", "mkdirat", [k.AT_FDCWD, "/.shm", 0o755]);
  const options = [["mode", "1777"], ["size", "64m"]] as const;
  if (hostShm === undefined) {
    newMount(setup, "make the pod's shared memory", "tmpfs", options, INERT, shm);
  }
  setup.must("mount the pod's shared memory", "move_mount", [
    shm,
    "",
    k.AT_FDCWD,
    "/.shm",
    attached,
  ]);
}

/**
 * Two files: the main process's PID in the pod, four bytes little-endian, and an empty one whose time of change says
 * when the app started (what `rkt list` shows). The PID is there first, and never half.
 */
function noteStart(setup: Section, directory: Slot, { app, pid }: Running): void {
  const file = slot("file");
  setup.try(`note the PID of app "${app.name}"`, "openat", [
    directory,
    `${app.name}-pid`,
    k.O_WRONLY | k.O_CREAT | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  setup.try("write its PID", "write", [file, addressOf(pid), 4]);
  setup.try("close the file", "close", [file]);
  setup.try(`note the start of app "${app.name}"`, "openat", [
    directory,
    `${app.name}-started`,
    k.O_WRONLY | k.O_CREAT | k.O_TRUNC | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  setup.try("close the file", "close", [file]);
}

/** The exit codes as text, four bytes each: no division is needed to write a number. */
const CODE_TEXTS = Array.from({ length: 256 }, (_, code) => `${code}`.padEnd(4)).join("");

function loop(
  steps: Section,
  running: readonly Running[],
  statusDirectory: Slot,
  stopTimeout: number,
): void {
  const signal = slot("signal");
  const child = slot("child");
  const status = slot("status");
  const code = slot("code");
  const podCode = slot("exit status of the pod");
  const left = slot("apps that run");

  steps.heading("init: wait");
  steps.label("init ready");
  steps.try("give the plan's memory back", "munmap", [SETUP.address, SETUP.size]);
  steps.set(left, running.length);
  steps.label("init wait");
  steps.try("wait for a signal", "rt_sigtimedwait", [WAITED_FOR, 0, 0, SIGSET_SIZE], {
    store: signal,
    branch: { when: "error", to: "init wait" },
  });
  steps.when(signal, k.SIGCHLD, "init reap");
  steps.when(signal, k.SIGPIPE, "init wait");
  steps.compute("let", [signal], {
    branch: { when: "different", operand: k.SIGALRM, to: "init forward" },
  });
  steps.try("kill all of the pod", "kill", [-1, k.SIGKILL]);
  steps.goto("init wait");

  steps.label("init forward");
  for (const { app, pid } of running) {
    steps.when(pid, 0, `after forward ${app.name}`);
    steps.try(`pass the signal on to app "${app.name}"`, "kill", [pid, signal]);
    steps.label(`after forward ${app.name}`);
  }
  steps.goto("init wait");

  steps.label("init reap");
  steps.try("see which child ended", "wait4", [-1, addressOf(status), k.WNOHANG | k.__WALL, 0], {
    store: child,
    branch: { when: "less", operand: 1, to: "init wait" },
  });
  for (const { app, pid } of running) {
    const rest = slot("difference");
    steps.compute("difference", [child, pid], {
      store: rest,
      branch: { when: "equal", operand: 0, to: `ended ${app.name}` },
    });
  }
  steps.goto("init reap"); // an orphan that had become ours

  for (const { app, pid } of running) {
    steps.label(`ended ${app.name}`);
    steps.set(pid, 0);
    exitCode(steps, status, code, `code of ${app.name}`);
    steps.label(`code of ${app.name}`);
    noteEnd(steps, statusDirectory, app, code);
    steps.goto("one app less");
  }

  steps.label("one app less");
  steps.compute("difference", [left, 1], {
    store: left,
    branch: { when: "different", operand: 0, to: "others run" },
  });
  steps.compute("let", [podCode], { branch: { when: "different", operand: 0, to: "init end" } });
  steps.set(podCode, code);
  steps.label("init end");
  steps.try("end the pod", "exit_group", [podCode]);

  // An app that fails ends the pod (spec, "Executor: app lifecycle"); one that succeeds leaves the others running.
  steps.label("others run");
  steps.when(code, 0, "init reap");
  steps.compute("let", [podCode], { branch: { when: "different", operand: 0, to: "init reap" } });
  steps.set(podCode, code);
  alarm(steps, stopTimeout);
  for (const { app, pid } of running) {
    steps.when(pid, 0, `after stop ${app.name}`);
    steps.try(`stop app "${app.name}"`, "kill", [pid, k.SIGTERM]);
    steps.label(`after stop ${app.name}`);
  }
  steps.goto("init reap");
}

function noteEnd(steps: Section, directory: Slot, app: PodApp, code: Slot): void {
  const file = slot("file");
  const text = slot("text");
  const length = slot("length");
  steps.try(`note the end of app "${app.name}"`, "openat", [
    directory,
    app.name,
    k.O_WRONLY | k.O_CREAT | k.O_TRUNC | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  steps.compute("shiftLeft", [code, 2], { store: text });
  steps.compute("sum", [text, CODE_TEXTS], { store: text });
  const sized = `write ${app.name}`;
  for (const [digits, limit] of [[1, 10], [2, 100]]) {
    steps.set(length, digits);
    steps.compute("let", [code], { branch: { when: "less", operand: limit, to: sized } });
  }
  steps.set(length, 3);
  steps.label(sized);
  steps.try("write its exit status", "write", [file, text, length]);
  steps.try("close the file", "close", [file]);
}
