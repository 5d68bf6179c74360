/** The network that pods of a user share, for a pod that is to be in it. */
import { object } from "../../appc/json_value.ts";
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { Failure } from "../../failure.ts";
import { podForwards } from "../../net/nat/pod_forwards.ts";
import type { PluginConf } from "../../net/model/cni.ts";
import { allNetworks, chooseNetworks, type ChosenNetwork } from "../../net/plugins/networks.ts";
import { isExternal } from "../../net/plugins/plugins.ts";
import { addressesDirectory, enterNetwork, leaveNetwork } from "../../rootless/shared_network.ts";
import type { Pod } from "../../../stage1/pod.ts";
import { absolute } from "../absolute.ts";
import type { HostOptions } from "../host_options.ts";
import { joinNetworks } from "../pod_network.ts";
import type { NetworkRequest, RunOptions } from "../request.ts";
import type { World } from "../world.ts";

/** Types that need nothing of the host's: others are about its links. */
const TYPES: readonly string[] = ["bridge", "ptp"];

/**
 * Takes this process to the network, and joins the pod to bridges and links in it.
 *
 * @param path the pod's directory
 * @throws {Failure} a network takes the host's root, or a port is to lead to the pod
 */
export async function joinSharedNetwork(
  pod: Pod,
  path: string,
  options: RunOptions & { readonly network: Extract<NetworkRequest, { kind: "networks" }> },
  host: HostOptions,
  manifest: Pick<PodManifest, "apps" | "ports">,
  world: World,
): Promise<Pod> {
  const { uuid, dataDirectory: dataDir } = pod;
  const networks = chosen(options.network, host, dataDir);
  const [forward] = podForwards(manifest);
  if (forward !== undefined) {
    throw new Failure(
      `--port=${forward.name}: without root ports lead to pods of --net=default only; ` +
        "elsewhere use socket activation (docs/use/services.md)",
    );
  }
  const member = await enterNetwork(dataDir, uuid);
  let joined: Pod;
  try {
    joined = await joinNetworks(pod, path, { networks, forwards: [] }, options, host, world);
  } catch (error) {
    leaveNetwork(dataDir, uuid);
    throw error;
  }
  world.cannotRepeat("its network is one that pods of the user share");
  const { network } = joined;
  if (network.kind !== "joined") return joined;
  const { tearDown } = network;
  return {
    ...joined,
    network: { ...network, tearDown: { ...tearDown, files: [...tearDown.files, member] } },
  };
}

/** The networks that were asked for: of the user's `net.d`, of the administrator's, or built in. */
function chosen(
  { networks }: Extract<NetworkRequest, { kind: "networks" }>,
  { config }: HostOptions,
  dataDir: string,
): readonly ChosenNetwork[] {
  const own = config.user === undefined ? [] : allNetworks(absolute(config.user))
    .filter(({ path }) => path !== undefined);
  const others = allNetworks(absolute(config.local))
    .filter(({ name }) => !own.some((each) => each.name === name));
  return chooseNetworks(networks, [...own, ...others]).map(({ network, args }) => {
    const [plugin, ...more] = network.plugins;
    const bad = [plugin, ...more].find((each) => isExternal(each) || !TYPES.includes(each.type));
    if (bad !== undefined) {
      throw new Failure(
        `--net=${network.name}: ${bad.at}: type "${bad.type}" takes the host's root; ` +
          `a user's pods can have ${TYPES.join(" and ")}`,
      );
    }
    return { network: { ...network, plugins: [withAddresses(plugin, dataDir), ...more] }, args };
  });
}

/** A plugin whose addresses are noted in the user's data. */
function withAddresses(plugin: PluginConf, dataDir: string): PluginConf {
  if (plugin.json.ipam === undefined) return plugin;
  const ipam = object(plugin.json.ipam, "ipam");
  if (ipam.dataDir !== undefined) return plugin;
  const json = { ...plugin.json, ipam: { ...ipam, dataDir: addressesDirectory(dataDir) } };
  return { ...plugin, json };
}
