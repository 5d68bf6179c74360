/** What is shown of OCI containers, and what is done with those that there are. */
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { processState } from "../linux/process.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { cgroupProcesses, freeze, isFrozen, removeCgroups } from "./cgroups.ts";
import {
  type FoundContainer,
  lockContainer,
  notedPid,
  openFirst,
  removeDirectory,
  type Status,
  statusOf,
} from "./container_directory.ts";
import { runRuntimeHooks, runStartHooks } from "./hooks/runtime_hooks.ts";
import { stateObject } from "./state_text.ts";

/** The status of a container, also whether it is paused. */
export function fullStatus(container: FoundContainer): Status {
  const status = statusOf(container);
  return status === "running" && isFrozen(container.record.cgroups) ? "paused" : status;
}

/** The state of a container (runtime.md, "State"). */
export function stateOf(container: FoundContainer) {
  const status = fullStatus(container);
  return stateObject(container.record, status === "stopped" ? 0 : notedPid(container), status);
}

/**
 * Starts a container that is made.
 *
 * @throws {Failure}
 */
export async function startContainer(container: FoundContainer): Promise<void> {
  using _lock = lockContainer(container);
  const { id, hooks } = container.record;
  const status = statusOf(container);
  if (status !== "created") {
    throw new Failure(
      status === "stopped"
        ? `cannot start a container that has stopped: ${id}`
        : `cannot start an already running container: ${id}`,
      1,
    );
  }
  const path = `${container.directory}/exec.fifo`;
  const flags = k.O_WRONLY | k.O_NONBLOCK | k.O_CLOEXEC | k.O_NOFOLLOW;
  const fd = trySyscall("openat", k.AT_FDCWD, cstring(path), flags, 0);
  // Nobody reads: the process has ended.
  if (fd === -ERRNO.ENXIO) throw new Failure(`cannot start a container that has stopped: ${id}`, 1);
  if (fd < 0) throw new KernelError(-fd, `open ${path}`);
  try {
    Deno.removeSync(path);
    syscall("start the process", "write", fd, cstring("\n"), 1);
  } finally {
    trySyscall("close", fd);
  }
  try {
    await runStartHooks(hooks.poststart, stateOf(container));
  } catch (error) {
    // It ends, as runtime.md, "Lifecycle", wants it; `delete` takes it away.
    await killAll(container);
    throw error;
  }
}

/**
 * Sends a signal to a container's first process, or to all of its processes.
 *
 * @throws {Failure} it does not run
 */
export function killContainer(container: FoundContainer, signal: number, all: boolean): void {
  if (all) {
    for (const pid of cgroupProcesses(container.record.cgroups)) trySyscall("kill", pid, signal);
    return;
  }
  using process = openFirst(container);
  if (process === undefined) throw new Failure("container not running", 1);
  const result = trySyscall("pidfd_send_signal", process.fd, signal, 0, 0);
  if (result === -ERRNO.ESRCH) throw new Failure("container not running", 1);
  if (result < 0) throw new KernelError(-result, `send signal ${signal}`);
}

/** How long one waits for the end of a process that was killed, in milliseconds. */
const LOOK_EVERY = 2;
const LOOK_AT_MOST = 10_000;

/**
 * Removes a container that has ended, or was never started; with force any.
 *
 * @throws {Failure} it runs
 */
export async function deleteContainer(container: FoundContainer, force: boolean): Promise<void> {
  const { id, cgroups, hooks, unit } = container.record;
  const status = fullStatus(container);
  if (status !== "stopped" && status !== "created" && !force) {
    throw new Failure(
      `cannot delete container ${id} that is not stopped: ${status}`,
      1,
    );
  }
  if (status !== "stopped") await killAll(container);
  if (unit !== undefined) {
    const { stopScope } = await import("./scope/systemd_scope.ts");
    await stopScope(unit);
  }
  const left = await removeCgroups(cgroups);
  if (left.length > 0) {
    throw new Failure(`the cgroup ${left[0]} of container ${id} still has processes`, 1);
  }
  const state = { ...stateOf(container), status: "stopped", pid: 0 };
  removeDirectory(container.directory);
  await runRuntimeHooks("poststop", hooks.poststop, state);
}

async function killAll(container: FoundContainer): Promise<void> {
  const { cgroups } = container.record;
  using process = openFirst(container);
  if (process !== undefined) trySyscall("pidfd_send_signal", process.fd, k.SIGKILL, 0, 0);
  if (isFrozen(cgroups)) await freeze(cgroups, false);
  for (let waited = 0; waited < LOOK_AT_MOST; waited += LOOK_EVERY) {
    // Without a PID namespace of its own others may be left.
    const left = cgroupProcesses(cgroups).filter(isAlive);
    for (const pid of left) trySyscall("kill", pid, k.SIGKILL);
    if (left.length === 0 && (process === undefined || !process.alive || isStopped(container))) {
      return;
    }
    await new Promise((done) => setTimeout(done, LOOK_EVERY));
  }
  throw new Failure(`container ${container.record.id} does not end`, 1);
}

/** Not so one that has ended, and whose parent has not looked yet. */
const isAlive = (pid: number): boolean => !/[ZX]/.test(processState(pid)?.state ?? "X");

const isStopped = (container: FoundContainer): boolean => statusOf(container) === "stopped";

/** Whether the container may be entered. */
export function checkEnterable(container: FoundContainer, ignoresPause: boolean): void {
  const status = fullStatus(container);
  const { id } = container.record;
  if (status === "stopped" || status === "creating") {
    throw new Failure(`cannot exec in a ${status} container: ${id}`, 1);
  }
  if (status === "paused" && !ignoresPause) {
    throw new Failure(
      `cannot exec in a paused container: ${id} (use --ignore-paused to override)`,
      1,
    );
  }
}
