/** The limit of open files of rkt itself: plans use descriptors with fixed numbers, below 1024. */
import { Failure } from "../../failure.ts";
import { trySyscall } from "../../linux/syscall.ts";
import type { PodApp, ProcessLimit } from "../../../stage1/pod.ts";

/** So many descriptors a process of a plan may have, and so many that of a pod without many streams of its own has. */
const MOST = 1024n;
const LEAST = 256n;

/** include/uapi/asm-generic/resource.h */
const RLIMIT_NOFILE = 7;

/** Whether {@linkcode raiseFileLimit} would have something to do for the apps. */
export function hasFewFiles(): boolean {
  const limit = new BigUint64Array(2);
  const result = trySyscall("prlimit64", 0, RLIMIT_NOFILE, 0, new Uint8Array(limit.buffer));
  return result === 0 && (limit[1] ?? MOST) < MOST;
}

/**
 * Sees to it that this process, and what it becomes, may have as many open files as plans need.
 *
 * @returns the limit that the apps are to have all the same, because the caller has it; absent where nothing was changed
 * @throws {Failure} the limit is too low, and can't be raised
 */
export function raiseFileLimit(): ProcessLimit | undefined {
  const limit = new BigUint64Array(2); // rlim_cur, rlim_max
  const bytes = new Uint8Array(limit.buffer);
  if (trySyscall("prlimit64", 0, RLIMIT_NOFILE, 0, bytes) < 0) return undefined;
  const [soft = MOST, hard = MOST] = limit;
  if (soft >= MOST) return undefined;
  limit.fill(hard > MOST ? hard : MOST);
  if (trySyscall("prlimit64", 0, RLIMIT_NOFILE, bytes, 0) === 0) {
    return hard >= MOST ? undefined : { resource: "nofile", soft: hard, hard };
  }
  if (hard >= LEAST) return undefined;
  throw new Failure(
    `the limit of open files (ulimit -n) is ${hard}, and rkt needs ${LEAST} for itself and may not raise it`,
  );
}

/** Gives apps a limit of open files, unless they have one of their own. */
export function withFileLimit(
  apps: readonly PodApp[],
  limit: ProcessLimit | undefined,
): readonly PodApp[] {
  if (limit === undefined) return apps;
  return apps.map((app) =>
    app.processLimits.some(({ resource }) => resource === limit.resource)
      ? app
      : { ...app, processLimits: [...app.processLimits, limit] }
  );
}
