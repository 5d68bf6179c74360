/** Signals to the processes of an app that was added to a running pod. */
import { Failure } from "../../failure.ts";
import { ERRNO, KernelError } from "../../linux/errno.ts";
import type { Process } from "../../linux/process.ts";
import { trySyscall } from "../../linux/syscall.ts";
import type { PodView } from "../directory/pod_directory.ts";
import { isKept } from "./added_app_progress.ts";
import { findApp, pinProcessesOf, pinShim } from "./app_process.ts";

const SIGNALS = { SIGKILL: 9, SIGTERM: 15 } as const;

/** How long one waits before looking again, in milliseconds. */
const LOOK_EVERY = 5;

/**
 * Sends a signal to the shim of an app.
 *
 * @returns false where the app has none
 */
export async function signalShim(
  dataDir: string,
  pod: PodView,
  app: string,
  signal: keyof typeof SIGNALS,
): Promise<boolean> {
  while (isKept(pod, app)) {
    using shim = pinShim(dataDir, pod, app);
    // As long as the app is kept, who has the shim's PID is the shim.
    if (shim !== undefined && isKept(pod, app)) return send(shim, signal);
    // Somebody is just starting or removing it.
    await new Promise((done) => setTimeout(done, LOOK_EVERY));
  }
  return false;
}

/** Sends a signal to the main process of an app, where it has one. */
export function signalApp(
  dataDir: string,
  pod: PodView,
  app: string,
  signal: keyof typeof SIGNALS,
): void {
  const found = findApp(dataDir, pod, app);
  if (typeof found !== "object") return;
  using process = found;
  send(process.main, signal);
}

function send({ pid, fd }: Process, signal: keyof typeof SIGNALS): boolean {
  const result = trySyscall("pidfd_send_signal", fd, SIGNALS[signal], 0, 0);
  if (result === 0) return true;
  if (result === -ERRNO.ESRCH) return false;
  throw new KernelError(-result, `send ${signal} to ${pid}`);
}

/**
 * Kills what an app has left whose shim was killed.
 *
 * @throws {Failure} where it does not end
 */
export async function stopLeftover(dataDir: string, pod: PodView, app: string): Promise<void> {
  const limit = Date.now() + 10_000;
  while (true) {
    const left = pinProcessesOf(dataDir, pod, app);
    for (const process of left) {
      using _pinned = process;
      send(process, "SIGKILL");
    }
    if (left.length === 0) return;
    if (Date.now() > limit) throw new Failure(`app "${app}" can't be killed`);
    await new Promise((done) => setTimeout(done, LOOK_EVERY));
  }
}
