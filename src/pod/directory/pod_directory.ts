/**
 * Pod directories: `DATA/pods/STAGE/UUID`. The state of a pod is the directory it is in and whether
 * the exclusive flock of that directory is held; nothing is written down that could be wrong after
 * a crash. Whoever prepares or runs a pod holds the lock, and the kernel drops it with its owner.
 *
 * Rules, so that any number of rkt processes may work beside each other:
 * - A pod moves in one direction only, in the order of {@linkcode STAGES}, by rename(2).
 * - Exclusive locks are taken by who makes, runs or deletes a pod. Who looks at a pod, or moves a
 *   dead one on, takes the lock shared, so that a dead pod never looks alive for a moment.
 * - After a lock was taken, the pod may have moved: its path is checked again, under the lock.
 */
import { Failure } from "../../failure.ts";
import { STAGES } from "./create_pod.ts";
import { fileTimes } from "../../linux/file_times.ts";
import { exists } from "../../linux/exists.ts";
import { RawDirectory } from "../../linux/raw_directory.ts";
import {
  closeDescriptor,
  openDirectoryIfThere,
  tryLockExclusive,
  tryLockShared,
} from "../../linux/lock.ts";
import { createPod, NAME_FILE, PodDirectory, podPath, type PodStage } from "./locked_pod.ts";

export { createPod, NAME_FILE, PodDirectory, podPath, type PodStage, STAGES };

/** The states of a pod, as `rkt list` prints them. */
export const POD_STATES = [
  "embryo",
  "preparing",
  "aborted prepare",
  "prepared",
  "running",
  "exited",
  "exited deleting",
  "exited garbage",
  "deleting",
  "garbage",
] as const;

/** One of {@linkcode POD_STATES}. */
export type PodState = typeof POD_STATES[number];

/** What a directory means while its lock is held, and while it is free. */
const STATES: Readonly<Record<PodStage, { readonly held: PodState; readonly free: PodState }>> = {
  "embryo": { held: "embryo", free: "embryo" },
  "prepare": { held: "preparing", free: "aborted prepare" },
  "prepared": { held: "prepared", free: "prepared" },
  "run": { held: "running", free: "exited" },
  "exited-garbage": { held: "exited deleting", free: "exited garbage" },
  "garbage": { held: "deleting", free: "garbage" },
};

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Digits of a UUID that `rkt list` shows. */
const SHORT_UUID = 8;

/** A pod as it was found: a value, not kept up to date. */
export interface PodView {
  readonly uuid: string;
  readonly stage: PodStage;
  readonly state: PodState;
  readonly path: string;
}

/**
 * Looks at a pod where it was listed. Undefined where it is no longer there.
 *
 * Only a free lock in `prepare` can mislead: `rkt prepare` renames, then unlocks, so a pod that is
 * free may be a prepared one that has just left. A second look at the path tells.
 */
function viewAt<T>(
  dataDir: string,
  stage: PodStage,
  uuid: string,
  look: (pod: PodView, files: RawDirectory) => T,
): T | undefined {
  const path = podPath(dataDir, stage, uuid);
  using files = new RawDirectory(path);
  if (!files.exists) return undefined;
  const { held, free } = STATES[stage];
  const state = held === free || files.locked ? held : free;
  if (state === "aborted prepare" && !exists(path)) return undefined;
  return look({ uuid, stage, state, path }, files);
}

function uuidsIn(dataDir: string, stage: PodStage): string[] {
  const uuids = [];
  try {
    for (const entry of Deno.readDirSync(`${dataDir}/pods/${stage}`)) {
      if (entry.isDirectory && UUID.test(entry.name)) uuids.push(entry.name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return uuids;
}

/** Looks for a pod stage by stage, in the order in which pods move, so that a moving pod is not missed. */
function find<T>(
  dataDir: string,
  uuid: string,
  look: (pod: PodView, files: RawDirectory) => T,
): T | undefined {
  for (const stage of STAGES) {
    const seen = viewAt(dataDir, stage, uuid, look);
    if (seen !== undefined) return seen;
  }
  return undefined;
}

/** A pod by its UUID. */
const findView = (dataDir: string, uuid: string) => find(dataDir, uuid, (pod) => pod);

/** All pods, sorted by UUID. One that is moved or deleted meanwhile is seen once or not at all. */
export function listPods(dataDir: string): PodView[] {
  return lookAtPods(dataDir, (pod) => pod);
}

/** Returns what is already known of a pod that was listed in a stage, whose directory is open. */
export type Known<T> = (stage: PodStage, directory: RawDirectory, uuid: string) => T | undefined;

/**
 * Looks at each pod while its directory is open; as {@linkcode listPods}.
 *
 * @param known gives what needs no look
 */
export function lookAtPods<T>(
  dataDir: string,
  look: (pod: PodView, files: RawDirectory) => T,
  known: Known<T> = () => undefined,
): T[] {
  const seen = new Map<string, T>();
  for (const stage of STAGES) {
    using directory = new RawDirectory(`${dataDir}/pods/${stage}`);
    for (const uuid of uuidsIn(dataDir, stage)) {
      const found = known(stage, directory, uuid) ?? viewAt(dataDir, stage, uuid, look) ??
        find(dataDir, uuid, look);
      if (found !== undefined) seen.set(uuid, found);
    }
  }
  return [...seen].sort(([a], [b]) => a < b ? -1 : 1).map(([, found]) => found);
}

/**
 * Finds a pod by its UUID, its name, or an unambiguous prefix of its UUID; see {@linkcode podNamed}. Eight digits, as `rkt list`
 * shows them, are a UUID's before they are a name: no pod can be called like another, and no names have to be read.
 *
 * @throws {Failure} where there is none, or several
 */
export function openPod(dataDir: string, uuidPrefix: string): PodView {
  const prefix = uuidPrefix.trim().toLowerCase();
  if (UUID.test(prefix)) {
    const view = findView(dataDir, prefix);
    if (view !== undefined) return view;
  }
  const matching = new Set(STAGES.flatMap((s) => uuidsIn(dataDir, s)).filter(startsWith(prefix)));
  const [uuid, ...others] = matching;
  const isShort = uuid !== undefined && others.length === 0 && prefix.length >= SHORT_UUID;
  const named = isShort ? undefined : podNamed(dataDir, uuidPrefix.trim());
  if (named !== undefined) return named;
  if (!/^[0-9a-f][0-9a-f-]{0,35}$/.test(prefix)) {
    throw new Failure(
      `"${uuidPrefix}" is not a pod UUID, and no pod has that name; \`rkt list --full\` shows UUIDs`,
    );
  }
  if (others.length > 0) {
    const some = [...matching].slice(0, 4).map((u) => u.slice(0, 13)).join(", ");
    throw new Failure(
      `"${uuidPrefix}" matches ${matching.size} pods (${some}${others.length > 3 ? ", …" : ""}); ` +
        `give more digits`,
    );
  }
  const view = uuid === undefined ? undefined : findView(dataDir, uuid);
  if (view === undefined) {
    throw new Failure(`no pod "${uuidPrefix}"; \`rkt list\` shows the pods there are`);
  }
  return view;
}

/** States in which a pod is more than a memory. */
const ALIVE: readonly PodState[] = ["preparing", "prepared", "running"];

/**
 * Refuses a name that a running pod has: whoever asks for the pod by its name is to get one.
 *
 * @throws {Failure}
 */
export function checkNameIsFree(dataDir: string, name: string): void {
  const running = podsNamed(dataDir, name).find(({ state }) => state === "running");
  if (running === undefined) return;
  throw new Failure(
    `--pod-name: pod "${running.uuid}" is called "${name}" and runs; stop it, or choose another name`,
  );
}

/** All pods that have a name. */
function podsNamed(dataDir: string, name: string): readonly PodView[] {
  const pods: PodView[] = [];
  for (const stage of STAGES) {
    for (const uuid of uuidsIn(dataDir, stage)) {
      const path = podPath(dataDir, stage, uuid);
      if (!exists(`${path}/${NAME_FILE}`) || readPodFile({ path }, NAME_FILE) !== name) continue;
      const view = findView(dataDir, uuid);
      if (view !== undefined && !pods.some((each) => each.uuid === uuid)) pods.push(view);
    }
  }
  return pods;
}

/**
 * Finds a pod by its name: the one that runs or will, or if there is none, the newest of those that have ended.
 *
 * @throws {Failure} where several run or will
 */
function podNamed(dataDir: string, name: string): PodView | undefined {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) return undefined;
  const pods = podsNamed(dataDir, name);
  const alive = pods.filter(({ state }) => ALIVE.includes(state));
  if (alive.length > 1) {
    const uuids = alive.map(({ uuid }) => uuid.slice(0, 8)).join(", ");
    throw new Failure(`${alive.length} pods are called "${name}" (${uuids}); give a UUID`);
  }
  const age = (pod: PodView) => fileTimes(`${pod.path}/${NAME_FILE}`)?.modified ?? 0;
  return alive[0] ?? pods.toSorted((a, b) => age(b) - age(a))[0];
}

function startsWith(prefix: string): (uuid: string) => boolean {
  return (uuid) => uuid.startsWith(prefix);
}

/** Looks again at a pod. Undefined where it has been deleted. */
export function refreshed(dataDir: string, pod: PodView): PodView | undefined {
  return findView(dataDir, pod.uuid);
}

/**
 * Takes the exclusive lock of a pod: to run a prepared one, to delete one that is in the garbage.
 *
 * @returns undefined where somebody else holds it or the pod has moved on
 */
export function claimPod(dataDir: string, pod: PodView): PodDirectory | undefined {
  const fd = openDirectoryIfThere(pod.path);
  if (fd === undefined) return undefined;
  if (tryLockExclusive(fd, pod.path) && exists(pod.path)) {
    return new PodDirectory(dataDir, pod.uuid, pod.stage, fd);
  }
  closeDescriptor(fd);
  return undefined;
}

/**
 * Moves a dead pod on: an exited one to `exited-garbage`, any other to `garbage`. Its lock is held
 * shared meanwhile, which keeps `run-prepared` from a prepared pod, and makes nothing look alive.
 *
 * @returns the pod where it is now; undefined where it is alive, or somebody else was faster
 */
export function movePod(dataDir: string, pod: PodView, to: PodStage): PodView | undefined {
  const fd = openDirectoryIfThere(pod.path);
  if (fd === undefined) return undefined;
  try {
    if (!tryLockShared(fd, pod.path)) return undefined;
    const path = podPath(dataDir, to, pod.uuid);
    Deno.renameSync(pod.path, path);
    return { uuid: pod.uuid, stage: to, state: STATES[to].free, path };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    closeDescriptor(fd);
  }
}

/** Reads a small file of a pod. Undefined if it does not exist, or if the pod is being deleted. */
export function readPodFile(pod: Pick<PodView, "path">, name: string): string | undefined {
  try {
    return Deno.readTextFileSync(`${pod.path}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}
