/** `rkt app stop`: ends an app of a running pod, and returns when it has ended. */
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { Failure } from "../../failure.ts";
import type { Process } from "../../linux/process.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { isKept } from "../../pod/view/added_app_progress.ts";
import { findApp, pinShim } from "../../pod/app/app_process.ts";
import { appOf, openSandbox } from "../../pod/life/sandbox_changes.ts";
import type { PodView } from "../../pod/directory/pod_directory.ts";
import { completeManifest } from "../../pod/make/resolved_pod.ts";
import { lockReleased, TimedOut, within } from "../../pod/life/wait_for_pod.ts";
import { appArgument } from "../request/app_argument.ts";
import type { Invocation } from "../grammar/command.ts";

const SIGNALS = { SIGKILL: 9, SIGTERM: 15 } as const;

/** How long one waits before looking again, in milliseconds. */
const LOOK_EVERY = 5;

/** TERM to the keeper, which passes it on; where that does not help in time, KILL to the app, then to the keeper. */
export default async function stop(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const { uuid, app } = appArgument(invocation);
  const pod = openSandbox(global.dir, uuid);
  appOf(completeManifest(pod), pod, app);
  const limit = flags.duration("timeout") ?? 0;
  if (!await signalKeeper(global.dir, pod, app, "SIGTERM")) {
    await stopLeftover(global.dir, pod, app);
    console.error(`stop: app "${app}" does not run`);
    return 0;
  }
  if (flags.on("force")) signalApp(global.dir, pod, app, "SIGKILL");
  if (await endedWithin(limit, pod, app)) return 0;
  console.error(`stop: app "${app}" has not ended ${limit / 1000} s after SIGTERM: killing it`);
  signalApp(global.dir, pod, app, "SIGKILL");
  if (await endedWithin(limit, pod, app)) return 0;
  console.error(`stop: an event handler of app "${app}" does not end: killing it`);
  await signalKeeper(global.dir, pod, app, "SIGKILL");
  await lockReleased(lockOf(pod, app));
  return 0;
}

const lockOf = (pod: PodView, app: string): string => `${pod.path}/appsinfo/${app}`;

async function endedWithin(limit: number, pod: PodView, app: string): Promise<boolean> {
  try {
    await within(limit, lockReleased(lockOf(pod, app)));
    return true;
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    return false;
  }
}

/**
 * Sends a signal to the keeper of an app.
 *
 * @returns false where the app has none
 */
async function signalKeeper(
  dataDir: string,
  pod: PodView,
  app: string,
  signal: keyof typeof SIGNALS,
): Promise<boolean> {
  while (isKept(pod, app)) {
    using keeper = pinShim(dataDir, pod, app);
    // As long as the app is kept, who has the keeper's PID is the keeper.
    if (keeper !== undefined && isKept(pod, app)) return send(keeper, signal);
    // Somebody is just starting or removing it.
    await new Promise((done) => setTimeout(done, LOOK_EVERY));
  }
  return false;
}

/** Sends a signal to the main process of an app, where it has one. */
function signalApp(
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
 * Ends the process of an app whose keeper was killed.
 *
 * @throws {Failure} where it does not end
 */
export async function stopLeftover(dataDir: string, pod: PodView, app: string): Promise<void> {
  const found = findApp(dataDir, pod, app);
  if (typeof found !== "object") return;
  using process = found;
  send(process.main, "SIGKILL");
  const limit = Date.now() + 10_000;
  while (process.main.alive) {
    if (Date.now() > limit) throw new Failure(`app "${app}" can't be killed`);
    await new Promise((done) => setTimeout(done, LOOK_EVERY));
  }
}
