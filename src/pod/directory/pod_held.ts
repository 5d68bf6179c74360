import { closeDescriptor, openDirectoryIfThere, tryLockShared } from "../../linux/lock.ts";
import { STAGES } from "./create_pod.ts";

/**
 * Whether somebody makes, runs or deletes a pod: holds the lock of its directory, wherever that is. What a pod that
 * nobody holds has left on the host may be removed. On the way of `rkt run`: few imports.
 */
export function podIsHeld(dataDir: string, uuid: string): boolean {
  // In the direction in which pods move, so that none is missed.
  for (const stage of STAGES) {
    const path = `${dataDir}/pods/${stage}/${uuid}`;
    const fd = openDirectoryIfThere(path);
    if (fd === undefined) continue;
    const held = !tryLockShared(fd, path);
    closeDescriptor(fd);
    return held;
  }
  return false;
}
