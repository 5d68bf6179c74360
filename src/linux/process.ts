/** Processes by pidfd, and what /proc tells about them. */
import { ERRNO, KernelError } from "./errno.ts";
import { closeDescriptor } from "./lock.ts";
import { trySyscall } from "./syscall.ts";

/**
 * A process that no other can take the place of: a PID is given anew when its process is gone, a pidfd never is.
 *
 * What was read below /proc/PID is this process's if {@linkcode alive} is true afterwards.
 */
export class Process implements Disposable {
  /** Used by {@linkcode openProcess} only. */
  constructor(readonly pid: number, readonly fd: number) {}

  /** Whether it still is there; a zombie counts. */
  get alive(): boolean {
    return trySyscall("pidfd_send_signal", this.fd, 0, 0, 0) === 0;
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.fd);
  }
}

/**
 * Refers to a process (not to a thread of one). Undefined where there is none of that PID.
 *
 * @throws {KernelError}
 */
export function openProcess(pid: number): Process | undefined {
  const fd = trySyscall("pidfd_open", pid, 0);
  if (fd >= 0) return new Process(pid, fd);
  // EINVAL (ENOENT since Linux 6.15): a thread.
  if (fd === -ERRNO.ESRCH || fd === -ERRNO.EINVAL || fd === -ERRNO.ENOENT) return undefined;
  throw new KernelError(-fd, `open process ${pid}`);
}

/** Reads a file below /proc/PID; undefined where the process is gone. */
export function processFile(pid: number | "self", name: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${name}`);
  } catch {
    return undefined; // ENOENT or ESRCH
  }
}

/** What a file below /proc/PID is, links followed; undefined where the process is gone. */
export function processLink(pid: number | "self", name: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(`/proc/${pid}/${name}`);
  } catch {
    return undefined;
  }
}

/** The PIDs of a process's children, the oldest first. */
export function childrenOf(pid: number): readonly number[] {
  const text = processFile(pid, `task/${pid}/children`) ?? "";
  return text.split(" ").filter((word) => word !== "").map(Number);
}

/** Its PIDs from the outermost PID namespace, ours, to its own; none where it is gone. */
export function namespacePids(pid: number): readonly number[] {
  // The name of a program, which stands in the file too, has its line feeds escaped by the kernel.
  const line = /^NSpid:(.*)$/m.exec(processFile(pid, "status") ?? "");
  const pids = line?.[1]?.trim();
  return pids === undefined ? [] : pids.split(/\s+/).map(Number);
}

/** The PID of its parent, and its state as in ps(1): `S` is asleep, until an event or a signal. */
export function processState(pid: number): { parent: number; state: string } | undefined {
  // The name stands in parentheses, and may itself have some.
  const [, state, parent] = /^.*\) (\S) (\d+) /s.exec(processFile(pid, "stat") ?? "") ?? [];
  return state === undefined ? undefined : { state, parent: Number(parent) };
}
