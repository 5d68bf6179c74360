/** The progress of apps of sandboxes. `rkt list` loads this. */
import { closeDescriptor, openDirectoryIfThere, tryLockShared } from "../../linux/lock.ts";
import type { RawDirectory } from "../../linux/raw_directory.ts";
import { pinProcessesOf } from "./app_process.ts";
import { type AppProgress, appProgress } from "../directory/pod_details.ts";
import type { PodView } from "../directory/pod_directory.ts";

/** Whether an app of a sandbox has a shim, or somebody is starting or removing it. */
export function isKept(pod: PodView, name: string): boolean {
  const path = `${pod.path}/appsinfo/${name}`;
  const fd = openDirectoryIfThere(path);
  if (fd === undefined) return false;
  try {
    return !tryLockShared(fd, path);
  } finally {
    closeDescriptor(fd);
  }
}

/** The progress of an app of a running sandbox. Its files may be older than the death of its shim, so the lock decides. */
export function addedAppProgress(
  dataDir: string,
  pod: PodView,
  files: RawDirectory,
  name: string,
): AppProgress {
  const progress = appProgress(files, pod.state, name);
  if (pod.state !== "running" || progress.state !== "running" || isKept(pod, name)) return progress;
  const again = appProgress(files, pod.state, name);
  if (again.state !== "running") return again;
  const left = pinProcessesOf(dataDir, pod, name);
  left.forEach((process) => process[Symbol.dispose]());
  return left.length === 0 ? { ...again, state: "exited" } : again;
}
