/** The system's cgroups as a start sees them: each question is noted, with the answer. */
import { findHierarchies, type Hierarchies, TELLING } from "../../cgroup/hierarchies.ts";
import { DELEGATION, isDisk, type System } from "../../cgroup/location.ts";
import { ownUsers } from "../../linux/own_users.ts";
import type { World } from "../world.ts";

/** The cgroups of the caller, and what the files in them say. */
export function recordedSystem(world: World): System {
  const writable = (path: string) => {
    // What is mounted there now may be another hierarchy.
    world.identity(path);
    return world.access(path);
  };
  return {
    hierarchies: hierarchies(world),
    words: (path) => path.endsWith("/cgroup.procs") ? world.processes(path) : world.words(path),
    exists: (path) => !world.absent(path),
    writable,
    delegated: (path) =>
      DELEGATION.names.some((name) => {
        const value = world.attribute(path, name);
        return value?.length === 1 && value[0] === DELEGATION.value;
      }) || (ownUsers() !== "all" && writable(path) === 0),
    disks: () =>
      (world.names("/sys/block") ?? []).filter(isDisk)
        .flatMap((name) => world.words(`/sys/block/${name}/dev`)).sort(),
    pid: Deno.pid,
    limitsDevices: ownUsers() === "all",
  };
}

/**
 * The hierarchies. Of the mounts nothing is noted here: that a directory still is the caller's own cgroup is noted when it is
 * used, and a hierarchy that is mounted nowhere could be later.
 */
function hierarchies(world: World): Hierarchies {
  let cgroups: string;
  try {
    cgroups = new TextDecoder().decode(world.content("/proc/self/cgroup"));
  } catch {
    cgroups = ""; // there is no /proc
  }
  const found = findHierarchies(cgroups, world.mounts());
  const mounted = new Set(found.own.keys());
  for (const [, names = ""] of cgroups.matchAll(/^\d+:([^:\n]*):/gm)) {
    const missing = names.split(",").find((name) => name !== "" && !mounted.has(name));
    if (missing !== undefined) world.cannotRepeat(`the cgroups of ${missing} are mounted nowhere`);
  }
  // Who may make no cgroups asks no more than this.
  if (ownUsers() !== "all") {
    if (found.version === 0) world.cannotRepeat("no cgroup file system is mounted");
    const telling = TELLING.flatMap((name) => found.own.get(name) ?? [])[0];
    if (telling !== undefined) world.identity(telling);
  }
  return found;
}
