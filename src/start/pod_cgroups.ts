/** What a command needs to know of a pod's cgroups: where they go, and what has no effect on this system. */
import type { PodManifest } from "../appc/pod_manifest.ts";
import { CONTROLLERS, type Limits, limitsOf } from "../cgroup/limits.ts";
import { type CgroupLocation, findLocation } from "../cgroup/location.ts";
import { flavorOf } from "../pod/directory/flavor.ts";
import { isSandbox } from "../pod/directory/sandbox.ts";
import type { PodApp } from "../../stage1/pod.ts";
import { callingUser } from "../rootless/calling_user.ts";
import type { AppRequest } from "./request.ts";
import { recordedSystem } from "./cache/recorded_cgroups.ts";
import { World } from "./world.ts";

/** Where the cgroups of a pod are made, and what they limit. */
export interface PodCgroups {
  readonly location?: CgroupLocation | undefined;
  /** What all apps together may use. */
  readonly limits: Limits;
  readonly apps: readonly PodApp[];
  /** What has no effect here: lines for people. */
  readonly warnings: readonly string[];
}

/**
 * Finds the location of a pod's cgroups. A user other than root whose limits have no effect where rkt is asks his systemd for
 * a cgroup that they have an effect in.
 *
 * @param command for the warnings
 * @param asked what the command line says of the apps
 * @throws {Failure} the limits that it asks for can't be had by this user
 */
export async function enforceableCgroups(
  command: string,
  manifest: PodManifest,
  apps: readonly PodApp[],
  asked: readonly AppRequest[],
  world = new World(),
): Promise<PodCgroups> {
  const found = podCgroups(command, manifest, apps, world);
  const uid = callingUser();
  if (uid === undefined || found.warnings.length === 0) return found;
  world.cannotRepeat("its limits are those of a scope that systemd makes");
  const { findInScope } = await import("./host/user_scope.ts");
  const again = (why?: string) => podCgroups(command, manifest, apps, new World(), why);
  return await findInScope(uid, command, again, asked);
}

/**
 * Finds the location of a pod's cgroups from where rkt is.
 *
 * @param command for the warnings
 * @param why limits have no effect, where that is known
 */
export function podCgroups(
  command: string,
  manifest: PodManifest,
  apps: readonly PodApp[],
  world = new World(),
  why?: string,
): PodCgroups {
  const limits = limitsOf(manifest.isolators);
  const wanting = [
    { who: "the pod", limits },
    ...apps.map(({ name, limits }) => ({ who: `app "${name}"`, limits })),
  ];
  const forAddedApps = isSandbox(manifest) ? CONTROLLERS : [];
  const { location, warnings } = findLocation(wanting, recordedSystem(world), forAddedApps, why);
  const lines = warnings.map((warning) => `${command}: warning: ${warning}`);
  const left = flavorOf(manifest) === "fly" ? location && withoutDevices(location) : location;
  return { location: left, limits, apps, warnings: lines };
}

/** For pods that have all devices of the host: they are limited and counted. */
function withoutDevices(location: CgroupLocation): CgroupLocation | undefined {
  const bases = location.bases.map(({ path, controllers }) => ({
    path,
    controllers: controllers.filter((name) => name !== "devices"),
  })).filter(({ controllers }) => location.version === 2 || controllers.length > 0);
  return bases.length === 0 ? undefined : { ...location, bases };
}

/** The cgroups of a pod at a location. */
export function podCgroupsAt(
  location: CgroupLocation | undefined,
  warnings: readonly string[],
  apps: readonly PodApp[],
  limits: Limits = {},
): PodCgroups {
  return {
    location,
    limits,
    apps,
    warnings,
  };
}
