/** The first process of an OCI container, until it becomes the user's program. */
import * as k from "../../src/linux/constants.ts";
import { ERROR_FD } from "../engine/abort.ts";
import { addressOf, type Section, space } from "../engine/plan.ts";
import { bringLoopbackUp } from "../steps/loopback.ts";
import { writeSysctls } from "../root/sysctl.ts";
import {
  becomeContainerProcess,
  chooseExecutable,
  executeContainerProcess,
  labelContainerProcess,
  releaseAllSignals,
  scheduleContainerProcess,
  setLimits,
} from "./container_process.ts";
import {
  attachContainerRoot,
  changeContainerRoot,
  finishRoot,
  mountAll,
  openMounts,
  openPlace,
} from "./container_mounts.ts";
import type { Container } from "./container.ts";
import { fillDev } from "./container_dev.ts";
import { protectPaths } from "./protected_paths.ts";
import { hear, hookState, type Making, tell } from "./making.ts";
import { runHooks } from "./hooks.ts";
import { openContainerTerminal, takeContainerTerminal } from "./container_terminal.ts";
import { terminalOf } from "./foreground.ts";
import { announceListener } from "./listener.ts";

/** The steps of init, behind their label. */
export function containerInit(s: Section, making: Making): void {
  const { container, workerEnd, initEnd } = making;
  const { namespaces, hooks, process, descriptors } = container;
  s.heading("init: the container's first process");
  s.label("init");
  s.attempt("leave it to the worker", "close", [workerEnd]);
  hearPid(s, making);
  s.must("start a session", "setsid", []);
  s.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-oci-init"]);
  s.must("keep others from tracing it", "prctl", [k.PR_SET_DUMPABLE, 0]);
  if (namespaces.hasUsers) becomeRoot(s);
  if (namespaces.cgroup) {
    s.must("make a cgroup namespace", "unshare", [k.CLONE_NEWCGROUP]);
  }
  scheduleContainerProcess(s, process);
  nameHost(s, container);
  if (namespaces.loopback) bringLoopbackUp(s);
  const ownMounts = (namespaces.made & k.CLONE_NEWNS) !== 0;
  if (ownMounts) {
    s.heading("init: its root");
    s.attempt("leave the modes of files as they are given", "umask", [0]);
    const open = openMounts(s, container);
    attachContainerRoot(s, container, open);
    mountAll(s, container, open);
    fillDev(s, container, open);
    writeSysctls(s, container.sysctls);
    tell(s, "the mounts are there", initEnd, making);
    hear(s, "for the hooks of the runtime", initEnd, "hooks");
    runHooks(s, "createContainer", hooks.createContainer, hookState(making, "creating"), "ends");
    makeWorkingDirectory(s, open.root, process.cwd);
    protectPaths(s, container, open);
    s.must("enter the root", "fchdir", [open.root]);
    s.attempt("close it", "close", [open.root]);
    changeContainerRoot(s, container);
    finishRoot(s, container);
  } else {
    tell(s, "there are no mounts", initEnd, making);
    hear(s, "for the hooks of the runtime", initEnd, "hooks");
    runHooks(s, "createContainer", hooks.createContainer, hookState(making, "creating"), "ends");
    s.must(`enter the root ${container.rootfs}`, "chdir", [container.rootfs]);
    s.must("change the root", "chroot", ["."]);
  }
  s.heading("init: the process");
  const console = making.foreground === undefined
    ? descriptors.console
    : terminalOf(making.foreground).fdSocket.sender;
  if (process.terminal !== undefined && console !== undefined) {
    openContainerTerminal(s, process.terminal, console, ownMounts);
    takeContainerTerminal(s);
  }
  if (process.labels.length > 0 && namespaces.hasUsers) {
    // The files of a process that can't be traced are those of the host's root.
    s.attempt("own the process's files in /proc", "prctl", [k.PR_SET_DUMPABLE, 1]);
  }
  labelContainerProcess(s, process);
  closeOthers(s, making);
  // Behind the last descriptor with a great number: even few are to be enough. As another user it could raise none.
  setLimits(s, process.limits);
  becomeContainerProcess(s, process, descriptors.fifo, () => announceListener(s, initEnd));
  chooseExecutable(s, process);
  tell(s, "it is ready to be started", initEnd, making);
  s.attempt("let go of the worker", "close", [initEnd]);
  s.compute("put", [addressOf(ERROR_FD), 2]);
  const word = space("word", 8);
  s.label("wait to be started");
  s.attempt("wait to be started", "read", [descriptors.fifo, word, 1], {
    branch: { when: "less", operand: 1, to: "wait to be started" },
  });
  s.attempt("close the fifo", "close", [descriptors.fifo]);
  runHooks(s, "startContainer", hooks.startContainer, hookState(making, "created"), "ends");
  releaseAllSignals(s);
  executeContainerProcess(s, process);
}

/** The worker's first word is this process's PID as the runtime numbers it: hooks are told. */
function hearPid(s: Section, { initEnd, digits, length }: Making): void {
  s.attempt("wait for the worker", "recvfrom", [initEnd, addressOf(digits), 16, 0, 0, 0], {
    store: length,
    branch: { when: "less", operand: 1, to: "no worker" },
  });
  s.goto("the worker is there");
  s.label("no worker");
  s.attempt("the worker has ended", "exit_group", [1]);
  s.label("the worker is there");
}

/** In a user namespace a process is nobody until it has become somebody. */
function becomeRoot(s: Section): void {
  s.attempt("have no other groups", "setgroups", [0, 0]);
  s.must("become the container's root group", "setresgid", [0, 0, 0]);
  s.must("become the container's root", "setresuid", [0, 0, 0]);
}

function nameHost(s: Section, { hostname, domainname }: Container): void {
  const size = (text: string) => new TextEncoder().encode(text).length;
  if (hostname !== undefined) {
    s.must("set the host name", "sethostname", [hostname, size(hostname)]);
  }
  if (domainname !== undefined) {
    s.must("set the domain name", "setdomainname", [domainname, size(domainname)]);
  }
}

/** A working directory that is missing is made, as runc does. */
function makeWorkingDirectory(
  s: Section,
  root: Parameters<typeof openPlace>[2],
  cwd: string,
): void {
  const place = openPlace(s, "for the working directory", root, cwd, true);
  s.attempt("close it", "close", [place]);
}

/**
 * Closes all but what the container gets, the fifo and the socket: not on exec only, because the working directory, which the
 * image chooses, could be /proc/self/fd/N (CVE-2024-21626).
 */
function closeOthers(s: Section, { container: { descriptors }, initEnd, says }: Making): void {
  const { fifo, preserved } = descriptors;
  // To known numbers, one behind the other.
  s.must("move the socket", "dup3", [initEnd, fifo + 1, k.O_CLOEXEC]);
  s.must("move the pipe for failures", "dup3", [says, fifo + 2, k.O_CLOEXEC]);
  s.set(initEnd, fifo + 1);
  s.compute("put", [addressOf(ERROR_FD), fifo + 2]);
  s.must("close all below", "close_range", [3 + preserved, fifo - 1, 0]);
  s.must("close all above", "close_range", [fifo + 3, 0xffffffff, 0]);
  s.must("close the fifo on exec", "fcntl", [fifo, k.F_SETFD, k.FD_CLOEXEC]);
}
