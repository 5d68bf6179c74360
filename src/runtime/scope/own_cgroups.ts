/** The cgroups of a new container: made in the file system of cgroups, or by systemd. */
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { isHostRoot } from "../../linux/own_users.ts";
import {
  cgroupPlaces,
  type CgroupSystem,
  checkEmpty,
  makeCgroups,
  read,
  removeCgroups,
} from "../cgroups.ts";
import { allRules } from "../device_rules.ts";
import { readResources } from "../resources.ts";
import type { RuntimeSpec } from "../spec.ts";

/** The cgroups that a container has. */
export interface OwnCgroups {
  /** The directories by the names of controllers; of version 2 by an empty name. */
  readonly cgroups: Readonly<Record<string, string>>;
  /** The directories that were made for the container; others were there before. */
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
  { id, systemdCgroup, directory }: {
    readonly id: string;
    readonly systemdCgroup: boolean;
    /** Of the container's state. */
    readonly directory: string;
  },
): Promise<OwnCgroups> {
  if (system.version === 0) return { cgroups: {}, made: [] };
  if (!systemdCgroup) {
    const cgroups = cgroupPlaces(system, linux.cgroupsPath, id);
    checkEmpty(cgroups);
    noteMaking(directory, { cgroups: Object.values(cgroups).filter((path) => !exists(path)) });
    return await makeOrGoWithout(system, cgroups);
  }
  const { makeScope, scopeName, unmakeScope } = await import("./systemd_scope.ts");
  const name = scopeName(linux.cgroupsPath, id);
  // systemd thinks of limits as version 2 does, whatever there is.
  const { settings, devices } = readResources(linux.resources, 2);
  noteMaking(directory, { cgroups: [], unit: name.unit });
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

/**
 * Makes cgroups. Users to whom nobody has delegated any go without, as with other runtimes: only limits that are asked for are an
 * error then, because there is no file for them.
 */
async function makeOrGoWithout(
  system: CgroupSystem,
  cgroups: Readonly<Record<string, string>>,
): Promise<OwnCgroups> {
  const missing = Object.values(cgroups).filter((path) => !exists(path));
  try {
    return { cgroups, made: makeCgroups(system, cgroups) };
  } catch (error) {
    const isRefused = error instanceof Failure &&
      error.cause instanceof Deno.errors.PermissionDenied;
    if (isHostRoot() || !isRefused) throw error;
    await removeCgroups(Object.fromEntries(missing.map((path) => [path, path])));
    return { cgroups: {}, made: [] };
  }
}

/** The file of a container's state that says what is being made for it, until its record does. */
const MAKING = "making";

interface BeingMade {
  readonly cgroups: readonly string[];
  readonly unit?: string | undefined;
}

/** Before anything is made: who makes it may be killed at any time. */
function noteMaking(directory: string, made: BeingMade): void {
  Deno.writeTextFileSync(`${directory}/${MAKING}`, JSON.stringify(made), {
    createNew: true,
    mode: 0o600,
  });
}

/** The record says it now. */
export const forgetMaking = (directory: string): void => Deno.removeSync(`${directory}/${MAKING}`);

/** Takes away what was made for a container that has no record. */
export async function removeUnrecorded(directory: string): Promise<void> {
  const text = read(`${directory}/${MAKING}`);
  // It was killed while it wrote that: then nothing is made.
  if (text === undefined || !text.endsWith("}")) return;
  const { cgroups, unit }: BeingMade = JSON.parse(text);
  if (unit !== undefined) {
    const { stopScope } = await import("./systemd_scope.ts");
    await stopScope(unit);
  }
  await removeCgroups(Object.fromEntries(cgroups.map((path) => [path, path])));
}

/** Removes the cgroups that were made for a container. */
export async function removeOwnCgroups(own: OwnCgroups | undefined): Promise<void> {
  if (own === undefined) return;
  if (own.unit !== undefined) {
    const { unmakeScope } = await import("./systemd_scope.ts");
    await unmakeScope(own.unit, own.before ?? []);
  }
  await removeCgroups(Object.fromEntries(own.made.map((path) => [path, path])));
}
