/** `rkt app stop`: ends an app of a running pod, and returns when it has ended. */
import { printNote } from "../../linux/printable.ts";
import { signalApp, signalShim, stopLeftover } from "../../pod/app/stop_app.ts";
import { appOf, openSandbox } from "../../pod/life/sandbox_changes.ts";
import type { PodView } from "../../pod/directory/pod_directory.ts";
import { completeManifest } from "../../pod/make/resolved_pod.ts";
import { lockReleased, TimedOut, within } from "../../pod/life/wait_for_pod.ts";
import { appArgument } from "../request/app_argument.ts";
import type { Invocation } from "../grammar/command.ts";

/**
 * Sends TERM to the shim, which passes it on. If the app has not ended in time, sends KILL to the app, then to the
 * shim.
 */
export default async function stop(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const { uuid, app } = appArgument(invocation);
  const pod = openSandbox(global.dir, uuid);
  appOf(completeManifest(pod), pod, app);
  const limit = flags.duration("timeout") ?? 0;
  if (!await signalShim(global.dir, pod, app, "SIGTERM")) {
    await stopLeftover(global.dir, pod, app);
    printNote(`stop: app "${app}" does not run`);
    return 0;
  }
  if (flags.on("force")) signalApp(global.dir, pod, app, "SIGKILL");
  if (await endedWithin(limit, pod, app)) return 0;
  printNote(`stop: app "${app}" has not ended ${limit / 1000} s after SIGTERM: killing it`);
  signalApp(global.dir, pod, app, "SIGKILL");
  if (await endedWithin(limit, pod, app)) return 0;
  printNote(`stop: an event handler of app "${app}" does not end: killing it`);
  await signalShim(global.dir, pod, app, "SIGKILL");
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
