import { printNote } from "../../linux/printable.ts";
import { Failure } from "../../failure.ts";
import { openPod, type PodView, refreshed } from "../../pod/directory/pod_directory.ts";
import { isExternal } from "../../pod/external/external_pod.ts";
import { signalPod } from "../../pod/life/stop_pod.ts";
import { podEnded, TimedOut, within } from "../../pod/life/wait_for_pod.ts";
import type { Invocation } from "../grammar/command.ts";
import type { Flags } from "../grammar/flags.ts";
import { errorLine } from "../print/error_line.ts";
import { printLine } from "../print/output.ts";
import { podArguments } from "../request/pod_arguments.ts";

/** How to stop pods. */
interface Manner {
  /** Milliseconds from TERM until `rkt stop` gives up, or kills; 0 for a kill at once. */
  readonly patience: number;
  /** Whether what does not end is killed. */
  readonly kill: boolean;
}

/** What has not ended when the time is over is killed, unless `--no-kill` leaves it; `--force` alone kills at once. */
function manner(flags: Flags): Manner {
  const force = flags.on("force");
  if (force && flags.on("no-kill")) throw new Failure("--force and --no-kill exclude each other");
  const patience = flags.duration("timeout") ?? 0;
  return { kill: !flags.on("no-kill"), patience: force && !flags.isSet("timeout") ? 0 : patience };
}

/** `rkt stop`: ends running pods, and returns when they have ended. */
export default async function run(invocation: Invocation): Promise<number> {
  const uuids = podArguments(invocation);
  const how = manner(invocation.flags);
  // All at the same time: each waits for its own apps.
  const stops = uuids.map(async (uuid) => {
    try {
      return await stop(invocation.global.dir, openPod(invocation.global.dir, uuid), how);
    } catch (error) { // whatever it is: the other pods are to be stopped all the same
      return new Failure(errorLine(error));
    }
  });
  let failed = 0;
  for (const said of await Promise.all(stops)) {
    if (said instanceof Failure) {
      printNote(`stop: ${said.message}`);
      failed += 1;
    } else printLine(said);
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

/** Returns what there is to say of a pod that has ended. */
async function stop(dataDir: string, pod: PodView, { patience, kill }: Manner): Promise<string> {
  if (ENDED.includes(pod.state)) return `pod "${pod.uuid}" is already stopped`;
  if (pod.state !== "running") throw new Failure(`pod "${pod.uuid}" is not running`);
  if (!await ask(dataDir, pod, patience === 0 && kill)) {
    if (refreshed(dataDir, pod)?.state === "running") {
      throw new Failure(`pod "${pod.uuid}" is just being started; try again`);
    }
    return `pod "${pod.uuid}" is already stopped`;
  }
  try {
    await within(patience === 0 && kill ? KILLED_WITHIN : patience, podEnded(dataDir, pod));
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    if (kill && patience > 0) return await stop(dataDir, pod, { patience: 0, kill });
    const got = kill ? "SIGKILL" : "SIGTERM";
    const help = kill
      ? "is the kernel stuck in one of its processes?"
      : "without --no-kill it is killed";
    throw new Failure(
      `pod "${pod.uuid}" has got ${got}, but has not ended after ${
        (kill ? KILLED_WITHIN : patience) / 1000
      } s; ${help}`,
    );
  }
  return `"${pod.uuid}"`;
}

/** Asks a pod to end, or kills it. Returns false where there is nobody to ask. */
async function ask(dataDir: string, pod: PodView, force: boolean): Promise<boolean> {
  if (isExternal(pod)) {
    const { stopExternal } = await import("../../pod/external/entry_points.ts");
    const asked = stopExternal(pod, force);
    if (asked && (!force || await endsSoon(dataDir, pod))) return true;
  }
  return signalPod(dataDir, pod, force ? "SIGKILL" : "SIGTERM");
}

/** Whether a pod ends by what its stage1 image has done to kill it. */
async function endsSoon(dataDir: string, pod: PodView): Promise<boolean> {
  try {
    await within(STOPPED_WITHIN, podEnded(dataDir, pod));
    return true;
  } catch (error) {
    if (error instanceof TimedOut) return false;
    throw error;
  }
}

/** Milliseconds that a stage1 image gets to kill a pod, before its first process is killed. */
const STOPPED_WITHIN = 5_000;

/** Milliseconds that the kernel gets to kill a pod. */
const KILLED_WITHIN = 30_000;
