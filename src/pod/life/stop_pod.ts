/** Stopping a running pod by a signal to its supervisor. */
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import { syscall, trySyscall } from "../../linux/syscall.ts";
import { type PodView, refreshed } from "../directory/pod_directory.ts";
import { supervisorPid } from "../directory/pod_details.ts";

const SIGNALS = { SIGKILL: 9, SIGTERM: 15 } as const;

/**
 * Sends a signal to the supervisor of a pod.
 *
 * The PID was written down when the pod started and may be somebody else's since. So the process is
 * pinned by a pidfd first, and then the pod's lock is looked at: as long as that is held, its holder,
 * the supervisor, lives and has its PID; so the pidfd is the supervisor's.
 *
 * @returns false where the pod has ended, or its supervisor has not written its PID yet
 */
export function signalPod(
  dataDir: string,
  pod: PodView,
  signal: keyof typeof SIGNALS,
): boolean {
  const pid = supervisorPid(pod);
  if (pid === undefined) return false;
  const pidfd = trySyscall("pidfd_open", pid, 0);
  if (pidfd === -ERRNO.ESRCH) return false;
  if (pidfd < 0) throw new KernelError(-pidfd, `open process ${pid}`);
  try {
    if (refreshed(dataDir, pod)?.state !== "running") return false;
    syscall(`send ${signal} to ${pid}`, "pidfd_send_signal", pidfd, SIGNALS[signal], 0, 0);
    return true;
  } catch (error) {
    if (error instanceof KernelError && error.errno === ERRNO.ESRCH) return false;
    throw error;
  } finally {
    closeDescriptor(pidfd);
  }
}
