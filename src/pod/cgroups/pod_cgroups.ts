/** The cgroups of an existing pod: their paths, their counters, and their removal. */
import { ERRNO } from "../../linux/errno.ts";
import { exists } from "../../linux/exists.ts";
import { cstring, trySyscall } from "../../linux/syscall.ts";
import { cgroupMounts } from "../../cgroup/hierarchies.ts";
import { type PodView, readPodFile } from "../directory/pod_directory.ts";
import {
  MEMORY_EVENTS,
  memoryEventsFile,
  podCgroup,
  SUBCGROUP,
} from "../../../stage1/cgroup/cgroup.ts";
import { AT_FDCWD, AT_REMOVEDIR } from "../../linux/constants.ts";

/**
 * The directories of a pod's cgroups: one, or one for each hierarchy of version 1. Whatever the file says, only
 * directories of the pod's name are taken for its cgroups.
 */
export function cgroupsOf(pod: PodView): readonly string[] {
  if (!exists(`${pod.path}/${SUBCGROUP}`)) return [];
  const lines = (readPodFile(pod, SUBCGROUP) ?? "").split("\n");
  return lines.filter((path) =>
    path.startsWith("/") && path.endsWith(`/${podCgroup(pod.uuid)}`) &&
    !path.split("/").includes("..")
  );
}

/**
 * How often the kernel has killed processes of an app because it used more memory than it may. Undefined where the
 * app has no such limit.
 */
export function oomKills(pod: PodView, app: string): number | undefined {
  const counted = Object.values(MEMORY_EVENTS);
  const live = cgroupsOf(pod).flatMap((path) => counted.map((file) => `${path}/${app}/${file}`));
  const noted = `${pod.path}/stage1/rootfs/rkt/status/${memoryEventsFile(app)}`;
  for (const path of [noted, ...live]) {
    if (!exists(path)) continue;
    const kills = /^oom_kill (\d+)$/m.exec(read(path))?.[1];
    if (kills !== undefined) return Number(kills);
  }
  return undefined;
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // It has gone meanwhile.
  }
}

/**
 * Removes the cgroups of a dead pod, which its supervisor could not do if it was killed. rmdir(2) removes no cgroup
 * that has processes, and nothing here ends any.
 *
 * @returns one that still has processes
 */
export function removeCgroups(pod: PodView): string | undefined {
  // Mostly the supervisor has removed them, and to read all mounts takes longer than all else here.
  const paths = cgroupsOf(pod).filter(exists);
  if (paths.length === 0) return undefined;
  const mounts = cgroupMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
  return paths.filter((path) => mounts.some((mount) => path.startsWith(`${mount}/`))).find(
    (path) => {
      for (const { name, isDirectory } of directory(path)) {
        if (isDirectory) removeDirectory(`${path}/${name}`);
      }
      return removeDirectory(path) === ERRNO.EBUSY;
    },
  );
}

/** Removes the cgroups of an app that has ended in a running pod. Busy ones stay until the pod ends. */
export function removeAppCgroups(pod: PodView, app: string): void {
  for (const path of cgroupsOf(pod)) removeDirectory(`${path}/${app}`);
}

/** How often and how long, in milliseconds, {@linkcode removeCgroupsSoon} waits. */
const PATIENCE = { times: 100, each: 20 };

/**
 * As {@linkcode removeCgroups}, but waits a little: the kernel is not done with a pod at the moment when its
 * supervisor is.
 */
export function removeCgroupsSoon(pod: PodView): string | undefined {
  let left = removeCgroups(pod);
  for (let i = 0; left !== undefined && i < PATIENCE.times; i++) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PATIENCE.each);
    left = removeCgroups(pod);
  }
  return left;
}

function directory(path: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch {
    return [];
  }
}

const removeDirectory = (path: string): number =>
  -trySyscall("unlinkat", AT_FDCWD, cstring(path), AT_REMOVEDIR);
