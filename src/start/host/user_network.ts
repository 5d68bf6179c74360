/** The network of a pod whose user is not root. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { podForwards } from "../../net/nat/pod_forwards.ts";
import { makeUserNamespace } from "../../pod/make/private_users.ts";
import { joinPasta, leavePasta } from "../../rootless/pasta.ts";
import { isMember, leaveNetwork } from "../../rootless/shared_network.ts";
import type { Pod } from "../../../stage1/pod.ts";
import { etcFiles } from "../etc_files.ts";
import { hostNames } from "./host_names.ts";
import type { HostOptions } from "../host_options.ts";
import type { NetworkRequest, RunOptions } from "../request.ts";
import type { World } from "../world.ts";

/** The network that each pod of a user has for itself; its name is that of root's, so that a command line means the same to both. */
const DEFAULT = "default";

/** Whether a user's pod is to be in the network that his pods share: in any but the default one. */
export const isShared = (network: NetworkRequest): boolean =>
  network.kind === "networks" && network.networks.some(({ name }) => name !== DEFAULT);

/**
 * Sets up the network of a user's pod.
 *
 * @param path the pod's directory
 * @throws {Failure} a network was asked for that takes the host's root, or pasta is not there
 */
export async function joinUserNetwork(
  pod: Pod,
  path: string,
  options: RunOptions,
  host: HostOptions,
  manifest: Pick<PodManifest, "apps" | "ports">,
  world: World,
): Promise<Pod> {
  const { network: asked } = options;
  if (asked.kind !== "networks") return pod;
  if (isShared(asked)) {
    const { joinSharedNetwork } = await import("./shared_user_network.ts");
    return await joinSharedNetwork(
      pod,
      path,
      { ...options, network: asked },
      host,
      manifest,
      world,
    );
  }
  const { uuid, dataDirectory: dataDir } = pod;
  const forwards = podForwards(manifest);
  const { privateUsers: users, cgroups } = pod;
  if (cgroups?.leaf !== undefined) moveTo(cgroups.leaf);
  const makeNamespace = users && (() => makeUserNamespace(users, true));
  const network = await joinPasta({ uuid, dataDir, forwards, makeNamespace });
  world.cannotRepeat("its network is made by pasta");
  const etc = etcFiles(options, { hostname: pod.hostname, host: () => hostNames(world, true) });
  return { ...pod, network, etc };
}

/** Goes to the cgroup of the supervisor, and pasta with it: the one above has controllers for its children, and no processes. */
function moveTo(leaf: string): void {
  Deno.mkdirSync(leaf, { recursive: true });
  Deno.writeTextFileSync(`${leaf}/cgroup.procs`, `${Deno.pid}`);
}

/** Takes back what {@linkcode joinUserNetwork} did. */
export async function leaveUserNetwork(pod: Pod, path: string, host: HostOptions): Promise<void> {
  const { uuid, dataDirectory: dataDir } = pod;
  if (!isMember(dataDir, uuid)) return leavePasta({ uuid, dataDir });
  const { leaveNetworks } = await import("../pod_network.ts");
  await leaveNetworks(pod, path, host);
  leaveNetwork(dataDir, uuid);
}
