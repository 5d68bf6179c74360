/** Stopping a running pod by a signal to its supervisor. */
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { pinSupervisor } from "../app/app_process.ts";
import { type PodView, refreshed } from "../directory/pod_directory.ts";

const SIGNALS = { SIGKILL: 9, SIGTERM: 15 } as const;

/**
 * Sends a signal to the supervisor of a pod.
 *
 * The PID was written down when the pod started and may be somebody else's since, also while the pod's lock is held: it is
 * inherited by whatever prepares the pod. So the process is pinned by a pidfd, and has to be the one that holds the lock.
 *
 * @returns false where the pod has ended, or its supervisor has not written its PID yet
 */
export function signalPod(
  dataDir: string,
  pod: PodView,
  signal: keyof typeof SIGNALS,
): boolean {
  using supervisor = pinSupervisor(pod);
  if (supervisor === undefined || refreshed(dataDir, pod)?.state !== "running") return false;
  const sent = trySyscall("pidfd_send_signal", supervisor.fd, SIGNALS[signal], 0, 0);
  if (sent < 0 && sent !== -ERRNO.ESRCH) {
    throw new KernelError(-sent, `send ${signal} to ${supervisor.pid}`);
  }
  return sent === 0;
}
