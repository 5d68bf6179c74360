/** What a pod manifest says of ports, as forwards. */
import type { PodManifest } from "../appc/pod_manifest.ts";
import type { Forward } from "./nat.ts";

/**
 * The forwards of a pod: its `ports`, with protocol, number and count from the ports of the apps.
 *
 * @throws {Failure} a name that no app has, or several have; a protocol that can't be forwarded; a port wanted twice
 */
export function podForwards(_manifest: PodManifest): readonly Forward[] {
  throw new Error("not implemented");
}
