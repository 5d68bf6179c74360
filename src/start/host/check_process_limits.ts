/** Whether the limits that apps are to have can be set by this process: a hard limit is raised by few. */
import { Failure } from "../../failure.ts";
import { processFile } from "../../linux/process.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { capabilityNumber } from "../../linux/capabilities.ts";
import type { PodApp, Resource } from "../../../stage1/pod.ts";
import { RESOURCES, UNLIMITED, whyRefused } from "../../../stage1/app/process_limits.ts";

/** The hard limit of this process. */
function ownHardLimit(resource: Resource): bigint {
  const limit = new BigUint64Array(2); // rlim_cur, rlim_max
  const bytes = new Uint8Array(limit.buffer);
  return trySyscall("prlimit64", 0, RESOURCES[resource], 0, bytes) === 0
    ? limit[1] ?? UNLIMITED
    : UNLIMITED;
}

/** Whether this process may raise its hard limits. */
function mayRaise(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(processFile("self", "status") ?? "")?.[1];
  const bit = BigInt(capabilityNumber("CAP_SYS_RESOURCE"));
  return effective === undefined || (BigInt(`0x${effective}`) >> bit & 1n) === 1n;
}

/**
 * Refuses limits that an app could not get when it is started.
 *
 * @param ownUsers whether the apps have users of their own: the kernel lets none of these raise a hard limit
 * @throws {Failure} names the app and the limit
 */
export function checkProcessLimits(apps: readonly PodApp[], ownUsers: boolean): void {
  const raising = !ownUsers && mayRaise();
  const mostFiles = BigInt(Deno.readTextFileSync("/proc/sys/fs/nr_open").trim());
  for (const { name, processLimits } of apps) {
    for (const limit of processLimits) {
      const why = whyRefused(limit, ownHardLimit(limit.resource), raising, mostFiles);
      if (why !== undefined) throw new Failure(`app "${name}": ulimit ${limit.resource}: ${why}`);
    }
  }
}

/** Raises the hard limits of this process to those of an app, as far as it may; the app's process sets its own. */
export function raiseOwnLimits({ processLimits }: PodApp): void {
  for (const { resource, hard } of processLimits) {
    const limit = new BigUint64Array(2);
    const bytes = new Uint8Array(limit.buffer);
    const failed = trySyscall("prlimit64", 0, RESOURCES[resource], 0, bytes) < 0;
    if (failed || (limit[1] ?? UNLIMITED) >= hard) continue;
    limit[1] = hard;
    trySyscall("prlimit64", 0, RESOURCES[resource], bytes, 0);
  }
}
