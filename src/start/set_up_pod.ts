/** What a pod needs of the host before it runs, and how that is taken back. Loaded only as far as a pod needs it. */
import type { PodManifest } from "../appc/pod_manifest.ts";
import type { Pod, PodApp } from "../../stage1/pod.ts";
import type { PrivateUsers } from "../../stage1/root/pod_users.ts";
import type { ChosenNetwork } from "../net/plugins/networks.ts";
import type { HostOptions } from "./host_options.ts";
import type { RunOptions } from "./request.ts";
import type { World } from "./world.ts";

/**
 * Refuses limits of processes that can't be had here.
 *
 * @throws {Failure} names the app and the limit
 */
export async function checkLimits(apps: readonly PodApp[], users?: PrivateUsers): Promise<void> {
  if (apps.every(({ processLimits }) => processLimits.length === 0)) return;
  const { checkProcessLimits } = await import("./host/check_process_limits.ts");
  checkProcessLimits(apps, users !== undefined);
}

/** A pod that is set up. */
export interface SetUpPod {
  readonly pod: Pod;
  /** Those that it has joined, as they are configured. */
  readonly networks?: readonly ChosenNetwork[];
}

/**
 * Sets up the networks of a pod, where it is to have any, and its users.
 *
 * @param path its directory
 */
export async function setUpPod(
  pod: Pod,
  path: string,
  options: RunOptions,
  host: HostOptions,
  manifest: PodManifest,
  world: World,
): Promise<SetUpPod> {
  if (options.network.kind !== "networks") {
    if (pod.privateUsers !== undefined) {
      const { makeUserNamespace } = await import("../pod/make/private_users.ts");
      makeUserNamespace(pod.privateUsers, false);
    }
    return { pod };
  }
  if (pod.rootless === true) {
    const { joinUserNetwork } = await import("./host/user_network.ts");
    return { pod: await joinUserNetwork(pod, path, options, host, manifest, world) };
  }
  const { joinNetworks, wantedNetworks } = await import("./pod_network.ts");
  const wanted = wantedNetworks(options.network, host, manifest, world);
  const joined = await joinNetworks(pod, path, wanted, options, host, world);
  return { pod: joined, networks: wanted.networks };
}

/** Takes back what {@linkcode setUpPod} did. */
export async function takeDownPod(pod: Pod, path: string, host: HostOptions): Promise<void> {
  if (pod.network.kind !== "joined") return;
  if (pod.rootless === true) {
    const { leaveUserNetwork } = await import("./host/user_network.ts");
    return await leaveUserNetwork(pod, path, host);
  }
  const { leaveNetworks } = await import("./pod_network.ts");
  await leaveNetworks(pod, path, host);
}
