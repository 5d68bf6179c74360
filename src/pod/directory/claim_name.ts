/** `--pod-name`: of pods that want a name at the same time, one gets it. */
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { closeDescriptor, lockExclusive, openLockFile } from "../../linux/lock.ts";
import { STAGES } from "./create_pod.ts";
import { podIsHeld } from "./pod_held.ts";
import { NAME_FILE, readPodFile } from "./pod_directory.ts";

/**
 * Writes a name into the directory of a pod that is about to run. Who looks and who writes has a lock meanwhile, so that
 * nobody looks between the two.
 *
 * @param pod whose directory this process has locked
 * @throws {Failure} another pod that runs, or is about to, has the name
 */
export function claimName(
  dataDir: string,
  pod: { readonly uuid: string; readonly path: string },
  name: string,
): void {
  const path = `${dataDir}/locks/podNames`;
  const lock = openLockFile(path);
  try {
    lockExclusive(lock, path);
    const other = heldWithName(dataDir, name).find((uuid) => uuid !== pod.uuid);
    if (other !== undefined) {
      throw new Failure(
        `--pod-name: pod "${other}" is called "${name}" and runs; stop it, or choose another name`,
      );
    }
    const file = `${pod.path}/${NAME_FILE}`;
    if (!exists(file)) Deno.writeTextFileSync(file, name, { createNew: true, mode: 0o644 });
  } finally {
    closeDescriptor(lock);
  }
}

/** The pods of a name that somebody makes or runs. */
function heldWithName(dataDir: string, name: string): readonly string[] {
  return STAGES.flatMap((stage) => {
    const directory = `${dataDir}/pods/${stage}`;
    if (!exists(directory)) return [];
    return Array.from(Deno.readDirSync(directory), (entry) => entry.name).filter((uuid) =>
      exists(`${directory}/${uuid}/${NAME_FILE}`) &&
      readPodFile({ path: `${directory}/${uuid}` }, NAME_FILE) === name &&
      podIsHeld(dataDir, uuid)
    );
  });
}
