/** Collects pods that have ended: marks them as garbage first, and deletes them later. */
import { removeCgroups, removeCgroupsSoon } from "../cgroups/pod_cgroups.ts";
import { deleteTree } from "../../linux/delete_tree.ts";
import { isExternal } from "../external/external_pod.ts";
import { fileTimes } from "../../linux/file_times.ts";
import {
  claimPod,
  listPods,
  movePod,
  type PodStage,
  type PodView,
} from "../directory/pod_directory.ts";

/** Which pods to collect. Times in milliseconds. */
export interface CollectOptions {
  /** How long an exited pod is kept after it was marked. */
  readonly gracePeriod: number;
  /** How long a prepared pod may wait to be run. */
  readonly expirePrepared: number;
  /** Whether only to mark pods. */
  readonly markOnly: boolean;
  /** Called with a line for each step, in the words of rkt 1.30. */
  readonly onMove: (line: string) => void;
  readonly onDelete: (line: string) => void;
  /** Called with the UUID of a pod that is gone. */
  readonly onGone?: (uuid: string) => void;
  /** Called with a line for what could not be deleted. */
  readonly onLeft: (line: string) => void;
  /** Called before a pod of an external stage1 image is deleted; returns what went wrong, where something did. */
  readonly external?: (pod: Pick<PodView, "path" | "uuid">) => Promise<string | undefined>;
}

/** The next stage of a pod that is collected, and the message about the move. */
interface Move {
  readonly to: PodStage;
  readonly message: (uuid: string) => string;
}

const MOVES: Partial<Record<PodView["state"], Move>> = {
  "embryo": { to: "garbage", message: (uuid) => `moving failed prepare "${uuid}" to garbage` },
  "aborted prepare": {
    to: "garbage",
    message: (uuid) => `moving failed prepare "${uuid}" to garbage`,
  },
  "prepared": {
    to: "garbage",
    message: (uuid) => `moving expired prepared pod "${uuid}" to garbage`,
  },
  "exited": { to: "exited-garbage", message: (uuid) => `moving pod "${uuid}" to garbage` },
};

/**
 * Marks pods that have ended, and deletes those that were marked long enough ago.
 *
 * @returns bytes of disk space that were given back
 */
export async function collectPods(dataDir: string, options: CollectOptions): Promise<number> {
  for (const pod of listPods(dataDir)) {
    if (pod.state !== "prepared" || age(pod) >= options.expirePrepared) mark(dataDir, pod, options);
  }
  if (options.markOnly) return 0;
  let freed = 0;
  for (const pod of listPods(dataDir)) {
    if (pod.stage !== "exited-garbage" && pod.stage !== "garbage") continue;
    if (pod.stage === "exited-garbage" && age(pod) < options.gracePeriod) continue;
    freed += await deletePod(dataDir, pod, options) ?? 0;
  }
  return freed;
}

function mark(dataDir: string, pod: PodView, options: CollectOptions): void {
  const move = MOVES[pod.state];
  if (move === undefined) return;
  // An embryo whose lock is held is somebody's work; movePod() finds that out.
  const moved = movePod(dataDir, pod, move.to);
  if (moved === undefined) return;
  options.onMove(move.message(pod.uuid));
  if (moved.stage === "exited-garbage") removeCgroups(moved);
}

/**
 * Milliseconds since the pod was moved to where it is: a rename changes the time of the inode's last
 * change.
 */
function age(pod: PodView): number {
  const times = fileTimes(pod.path);
  return times === undefined ? 0 : Date.now() - times.changed;
}

/** Deletes a pod that is in the garbage. Returns undefined where somebody else is at it. */
async function deletePod(
  dataDir: string,
  pod: PodView,
  options: CollectOptions,
): Promise<number | undefined> {
  using claimed = claimPod(dataDir, pod);
  if (claimed === undefined) return undefined;
  options.onDelete(`Garbage collecting pod "${pod.uuid}"`);
  if (isExternal(pod) && claimed.stage !== "garbage") {
    // What it has left would be left for good; the pod's files are worth less than that.
    const why = await options.external?.(pod);
    if (why !== undefined) options.onLeft(`pod "${pod.uuid}" may have left something: ${why}`);
  }
  const busy = removeCgroupsSoon(pod);
  // From now on a part of it may be missing: never again an exited pod that one can look into.
  if (claimed.stage !== "garbage") claimed.toGarbage();
  if (busy !== undefined) {
    const why = `${busy} still has processes`;
    options.onLeft(`pod "${pod.uuid}" stays in the garbage until the next gc: ${why}`);
    return 0;
  }
  const { freed, left } = deleteTree(claimed.path, "unmount");
  if (left !== undefined) {
    options.onLeft(`pod "${pod.uuid}" stays in the garbage until the next gc: ${left}`);
  } else options.onGone?.(pod.uuid);
  return freed;
}

/** Why a pod can't be removed in a state. */
const REFUSALS: Partial<Record<PodView["state"], string>> = {
  "running": "is currently running; `rkt stop` ends it",
  "preparing": "is currently being prepared",
  "deleting": "is currently being deleted",
  "exited deleting": "is currently being deleted",
};

/**
 * Removes one pod that does not run.
 *
 * @returns undefined when it is gone, else why it is not: words that stand behind its UUID
 */
export async function removePod(
  dataDir: string,
  pod: PodView,
  options: Pick<CollectOptions, "onMove" | "onGone" | "onLeft" | "external">,
): Promise<string | undefined> {
  const refusal = REFUSALS[pod.state];
  if (refusal !== undefined) return refusal;
  const move = MOVES[pod.state];
  const moved = move === undefined ? pod : movePod(dataDir, pod, move.to);
  if (moved === undefined) return "has just been started or moved; try again";
  if (move !== undefined && pod.state !== "exited") options.onMove(move.message(pod.uuid));
  const freed = await deletePod(dataDir, moved, {
    ...options,
    onDelete: () => {},
    gracePeriod: 0,
    expirePrepared: 0,
    markOnly: false,
  });
  return freed === undefined ? REFUSALS.deleting : undefined;
}
