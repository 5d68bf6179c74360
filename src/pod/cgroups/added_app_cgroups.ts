/** The cgroups of an app that is added to a pod. They are made in the pod's cgroup, not in that of the caller. */
import { replaceFile } from "../../linux/atomic_file.ts";
import { exists } from "../../linux/exists.ts";
import type { PodView } from "../directory/pod_directory.ts";
import { podCgroup, SUBCGROUP } from "../../../stage1/cgroup/cgroup.ts";
import {
  type CgroupLocation,
  controllersInVersion2,
  findLocation,
  type FoundLocation,
  type Limited,
  thisSystem,
  version2Name,
  withDevices,
  withoutEffect,
} from "../../cgroup/location.ts";
import { controllersOf } from "../../cgroup/limits.ts";
import { cgroupsOf } from "./pod_cgroups.ts";

/**
 * Moves this process to the cgroups of a pod's init, so that its children belong to the pod's unit of systemd. Where that
 * is not allowed, it stays.
 */
export function joinCgroups(init: number): void {
  const { hierarchies } = thisSystem(init);
  const { own, unified } = hierarchies;
  const paths = new Set(own.values());
  if (unified !== undefined) paths.add(`${unified.mount}${unified.path}`);
  for (const path of paths) {
    try {
      Deno.writeTextFileSync(`${path}/cgroup.procs`, "0");
    } catch {
      // Not ours to write to.
    }
  }
}

/** Finds the location for the cgroups of an app in a pod that runs. */
export function findAddedLocation(pod: PodView, init: number, wanting: Limited): FoundLocation {
  const system = thisSystem(init);
  if (system.hierarchies.version !== 2) return findLocation([wanting], system);
  const name = podCgroup(pod.uuid);
  const [path] = cgroupsOf(pod);
  if (path === undefined) {
    return { warnings: [`${wanting.who} has no cgroup, because its pod has none`] };
  }
  const available = system.words(`${path}/cgroup.controllers`);
  const controllers = [...controllersInVersion2(controllersOf(wanting.limits))]
    .filter((each) => available.includes(version2Name(each)));
  const location: CgroupLocation = {
    version: 2,
    bases: [{
      path: path.slice(0, -name.length - 1),
      controllers: withDevices(controllers, system),
    }],
    enable: [],
    disks: controllers.includes("blkio") ? system.disks() : [],
  };
  const warnings = withoutEffect(
    wanting,
    new Set(controllers),
    (controller) => `its pod does not have the controller ${version2Name(controller)}`,
  );
  return { location, warnings };
}

/** Records a pod's cgroups before they are made after its start, so that they are found after a crash. */
export function noteCgroups(pod: PodView, { bases }: CgroupLocation): void {
  const path = `${pod.path}/${SUBCGROUP}`;
  const known = cgroupsOf(pod);
  const lines = bases.map((base) => `${base.path}/${podCgroup(pod.uuid)}`)
    .filter((line) => !known.includes(line));
  if (lines.length === 0) return;
  const before = exists(path) ? Deno.readTextFileSync(path) : "";
  replaceFile(path, before + lines.map((line) => `${line}\n`).join(""), { durable: false });
}
