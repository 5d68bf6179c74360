/** The network of a pod whose user is not root. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { Failure } from "../../failure.ts";
import { podForwards } from "../../net/nat/pod_forwards.ts";
import { makeUserNamespace } from "../../pod/make/private_users.ts";
import { joinPasta, leavePasta } from "../../rootless/pasta.ts";
import type { Pod } from "../../../stage1/pod.ts";
import { etcFiles } from "../etc_files.ts";
import { hostNames } from "./host_names.ts";
import type { HostOptions } from "../host_options.ts";
import type { RunOptions } from "../request.ts";
import type { World } from "../world.ts";

/** The network that users have; its name is that of root's, so that a command line means the same to both. */
const DEFAULT = "default";

/**
 * Sets up the network of a user's pod.
 *
 * @throws {Failure} a network was asked for that takes the host's root, or pasta is not there
 */
export async function joinUserNetwork(
  pod: Pod,
  options: RunOptions,
  _host: HostOptions,
  manifest: Pick<PodManifest, "apps" | "ports">,
  world: World,
): Promise<Pod> {
  if (options.network.kind !== "networks") return pod;
  const other = options.network.networks.find(({ name }) => name !== DEFAULT);
  if (other !== undefined) {
    throw new Failure(
      `--net=${other.name}: networks of net.d take the host's root; ` +
        "a user's pod can have --net=default (by pasta), --net=host or --net=none",
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
export function leaveUserNetwork({ uuid, dataDirectory: dataDir }: Pod): void {
  leavePasta({ uuid, dataDir });
}
