/** The cgroups of a new container: made in the file system of cgroups, or by systemd. */
import {
  cgroupPlaces,
  type CgroupSystem,
  checkEmpty,
  makeCgroups,
  removeCgroups,
} from "../cgroups.ts";
import { allRules } from "../device_rules.ts";
import { readResources } from "../resources.ts";
import type { RuntimeSpec } from "../spec.ts";

/** They. */
export interface OwnCgroups {
  /** The directories by the names of controllers; of version 2 by an empty name. */
  readonly cgroups: Readonly<Record<string, string>>;
  /** Those of them that were made for it. */
  readonly made: readonly string[];
  /** systemd's unit of them. */
  readonly unit?: string | undefined;
  /** The `cgroup.procs` files of where this process was, which is in them now. */
  readonly before?: readonly string[] | undefined;
}

/**
 * Makes them.
 *
 * @throws {Failure}
 */
export async function makeOwnCgroups(
  { linux }: RuntimeSpec,
  system: CgroupSystem,
  { id, systemdCgroup }: { readonly id: string; readonly systemdCgroup: boolean },
): Promise<OwnCgroups> {
  if (system.version === 0) return { cgroups: {}, made: [] };
  if (!systemdCgroup) {
    const cgroups = cgroupPlaces(system, linux.cgroupsPath, id);
    checkEmpty(cgroups);
    return { cgroups, made: makeCgroups(system, cgroups) };
  }
  const { makeScope, scopeName, unmakeScope } = await import("./systemd_scope.ts");
  const name = scopeName(linux.cgroupsPath, id);
  // systemd thinks of limits as version 2 does, whatever there is.
  const { settings, devices } = readResources(linux.resources, 2);
  const { cgroups, before } = await makeScope(name, system, id, {
    settings,
    devices: allRules(devices),
  });
  try {
    // Controllers that systemd does not look after.
    const made = makeCgroups(system, cgroups);
    return { cgroups, made, unit: name.unit, before };
  } catch (error) {
    await unmakeScope(name.unit, before);
    throw error;
  }
}

/** Takes them away again. */
export async function removeOwnCgroups(own: OwnCgroups | undefined): Promise<void> {
  if (own === undefined) return;
  if (own.unit !== undefined) {
    const { unmakeScope } = await import("./systemd_scope.ts");
    await unmakeScope(own.unit, own.before ?? []);
  }
  await removeCgroups(Object.fromEntries(own.made.map((path) => [path, path])));
}
