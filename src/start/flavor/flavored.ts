import { Failure } from "../../failure.ts";
import { ownUsers } from "../../linux/own_users.ts";
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { flavorOf } from "../../pod/directory/flavor.ts";
import type { RunOptions } from "../request.ts";

/**
 * The options of a pod as its flavor has them.
 *
 * @throws {Failure} where it can't have what was asked for
 */
export async function flavored<T extends RunOptions>(
  options: T,
  manifest: PodManifest,
  privateUsers: boolean,
): Promise<T> {
  if (flavorOf(manifest) === undefined) return options;
  if (ownUsers() !== "all") throw new Failure("the flavor fly needs root; try it with sudo");
  const { checkFlyVolumes, flyOptions } = await import("./fly.ts");
  checkFlyVolumes(manifest);
  return flyOptions(options, privateUsers);
}
