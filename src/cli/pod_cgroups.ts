/** What a command needs to know of a pod's cgroups: where they go, and what has no effect on this system. */
import type { PodManifest } from "../appc/pod_manifest.ts";
import { type Limits, limitsOf } from "../cgroup/limits.ts";
import { type CgroupPlace, findPlace } from "../cgroup/place.ts";
import { capabilityNumber } from "../../stage1/capabilities.ts";
import type { PodApp } from "../../stage1/pod.ts";

/** The cgroups of a pod, and its apps as they can be run with them. */
export interface PodCgroups {
  readonly place?: CgroupPlace;
  /** What all apps together may use. */
  readonly limits: Limits;
  readonly apps: readonly PodApp[];
  /** What has no effect here: lines for people. */
  readonly warnings: readonly string[];
}

/**
 * Finds the place of a pod's cgroups.
 *
 * @param command for the warnings
 */
export function podCgroups(
  command: string,
  { isolators }: PodManifest,
  apps: readonly PodApp[],
): PodCgroups {
  const limits = limitsOf(isolators);
  const { place, warnings } = findPlace([
    { who: "the pod", limits },
    ...apps.map(({ name, limits }) => ({ who: `app "${name}"`, limits })),
  ]);
  const lines = warnings.map((warning) => `${command}: warning: ${warning}`);
  return podCgroupsAt(place, lines, apps, limits);
}

/** The cgroups of a pod at a place. Where none keeps apps from devices, they can make no nodes for them. */
export function podCgroupsAt(
  place: CgroupPlace | undefined,
  warnings: readonly string[],
  apps: readonly PodApp[],
  limits: Limits = {},
): PodCgroups {
  const closed = place?.bases.some(({ controllers }) => controllers.includes("devices")) === true;
  const mknod = capabilityNumber("CAP_MKNOD");
  const harmless = apps.map((app) => ({
    ...app,
    capabilities: app.capabilities.filter((number) => number !== mknod),
  }));
  return {
    place,
    limits,
    apps: closed ? apps : harmless,
    warnings,
  };
}
