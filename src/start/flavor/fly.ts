/** The flavor `fly`: what it can't do is refused before there is a pod. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { Failure } from "../../failure.ts";
import { isBelow } from "../../../stage1/root/mount_policy.ts";
import type { RunOptions } from "../request.ts";

/**
 * The options of a pod of this flavor: all that a pod can share with the host it shares.
 *
 * @throws {Failure} names the flag that asks for something else
 */
export function flyOptions<T extends RunOptions>(options: T, privateUsers: boolean): T {
  const { network, networkByDefault, hostname, ipc, sharedMemory } = options;
  const refused = [
    ...network.kind !== "host" && networkByDefault !== true ? ["--net"] : [],
    ...hostname === undefined ? [] : ["--hostname"],
    ...ipc === "private" ? ["--ipc=private"] : [],
    ...sharedMemory === undefined ? [] : ["--shm-size"],
    ...privateUsers ? ["--private-users"] : [],
  ];
  const [flag] = refused;
  if (flag !== undefined) {
    throw new Failure(`${flag} is not for the flavor fly, whose apps share all of the host's`);
  }
  return { ...options, network: { kind: "host" }, ipc: "parent" };
}

/** The host's directories that its apps see. */
const SHOWN = ["/dev", "/proc", "/sys"];

/**
 * Refuses volumes whose places would have to be made in directories of the host.
 *
 * @throws {Failure}
 */
export function checkFlyVolumes({ apps }: Pick<PodManifest, "apps">): void {
  for (const { name, mounts } of apps) {
    for (const { path } of mounts) {
      const shown = SHOWN.find((each) =>
        isBelow(path, each) || (path === each && each === "/proc")
      );
      if (shown === undefined) continue;
      throw new Failure(
        `app "${name}": a volume at ${path} is not for the flavor fly, where ${shown} is the host's`,
      );
    }
  }
}
