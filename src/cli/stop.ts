import { Failure } from "../failure.ts";
import { openPod, type PodView, refreshed } from "../pod/pod_directory.ts";
import { signalPod } from "../pod/stop_pod.ts";
import { podEnded, TimedOut, within } from "../pod/wait_for_pod.ts";
import type { Invocation } from "./command.ts";
import { printLine } from "./output.ts";
import { podArguments } from "./pod_arguments.ts";

/** How long apps get to end after TERM, in milliseconds, before `rkt stop` gives up. */
const PATIENCE = 10_000;

/** `rkt stop`: ends running pods, and returns when they have ended. */
export default async function run(invocation: Invocation): Promise<number> {
  const uuids = podArguments(invocation);
  const force = invocation.flags.on("force");
  let failed = 0;
  for (const uuid of uuids) {
    try {
      await stop(invocation.global.dir, openPod(invocation.global.dir, uuid), force);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      console.error(`stop: ${error.message}`);
      failed += 1;
    }
  }
  if (failed > 0) throw new Failure(`failed to stop ${failed} pod(s)`);
  return 0;
}

/** States that come after a run. */
const ENDED: readonly PodView["state"][] = [
  "exited",
  "exited garbage",
  "exited deleting",
  "garbage",
  "deleting",
];

async function stop(dataDir: string, pod: PodView, force: boolean): Promise<void> {
  if (ENDED.includes(pod.state)) return printLine(`pod "${pod.uuid}" is already stopped`);
  if (pod.state !== "running") throw new Failure(`pod "${pod.uuid}" is not running`);
  if (!signalPod(dataDir, pod, force ? "SIGKILL" : "SIGTERM")) {
    if (refreshed(dataDir, pod)?.state === "running") {
      throw new Failure(`pod "${pod.uuid}" is just being started; try again`);
    }
    return printLine(`pod "${pod.uuid}" is already stopped`);
  }
  try {
    await within(PATIENCE, podEnded(dataDir, pod));
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    throw new Failure(
      `pod "${pod.uuid}" has got SIGTERM, but has not ended after ${PATIENCE / 1000} s; ` +
        "--force kills it",
    );
  }
  printLine(`"${pod.uuid}"`);
}
