/** Calls of external plugins for a pod's networks. */
import { Failure } from "../../failure.ts";
import { trySyscall } from "../../linux/syscall.ts";
import type { Attachment, CniResult, NetworkConf, PluginConf } from "../model/cni.ts";
import {
  execPlugin,
  hasCapability,
  pluginDirectories,
  portMappings,
} from "../plugins/cni_plugin.ts";
import { parseResult, resultJson, versionAtLeast } from "../plugins/cni_result.ts";
import { inNamespace, makeNamespace } from "../kernel/namespace.ts";
import { addressesOf } from "./nat_request.ts";
import type { NetInfo } from "./net_info.ts";
import { NetlinkSocket } from "../kernel/netlink.ts";
import { NETLINK_ROUTE } from "../kernel/netlink_numbers.ts";
import { findLink } from "../types/pod_link.ts";
import { addAddress } from "../kernel/rtnetlink_address.ts";
import { addLink } from "../kernel/rtnetlink_link.ts";
import type { Forward } from "../model/forward.ts";

/** The network and the attachment that plugins are called for. */
export interface ExternalCall {
  readonly network: NetworkConf;
  readonly attachment: Attachment;
  readonly localConfig: string;
  /** What plugins with the capability `portMappings` are to forward. */
  readonly forwards: readonly Forward[];
}

/**
 * Asks plugins whether they could do what they are for, before anything is made (CNI 1.1, "STATUS").
 *
 * @throws {Failure} what the first says that can't
 */
export async function checkReady(
  plugins: readonly PluginConf[],
  { network, localConfig }: Pick<ExternalCall, "network" | "localConfig">,
): Promise<void> {
  if (!versionAtLeast(network.cniVersion, "1.1.0")) return;
  const directories = pluginDirectories(localConfig);
  for (const plugin of plugins) {
    await execPlugin({ command: "STATUS", network, plugin, directories });
  }
}

/** Calls a plugin for a pod that starts. */
export async function callAdd(
  plugin: PluginConf,
  { network, attachment, localConfig, forwards }: ExternalCall,
  previous?: CniResult,
): Promise<CniResult> {
  const result = await execPlugin({
    command: "ADD",
    network,
    plugin,
    attachment,
    ...previous && { previous },
    directories: pluginDirectories(localConfig),
    capabilities: { portMappings: portMappings(forwards) },
  });
  if (result === undefined) throw new Failure(`${plugin.at}: "${plugin.type}" gave no result`);
  return result;
}

/** Whether a plugin gets the forwarded ports, and forwards them itself. */
export const forwardsPorts = (plugin: PluginConf): boolean => hasCapability(plugin, "portMappings");

/** What is written down of a network whose plugins are called again at the pod's end: what DEL gets. */
export function recordedCall(
  result: CniResult,
  { network: { cniVersion }, forwards }: ExternalCall,
): Pick<NetInfo, "result" | "portMappings"> {
  return { result: resultJson(result, cniVersion), portMappings: portMappings(forwards) };
}

/** A pod for which plugins are called again, as far as it is known how they were called for ADD. */
interface ConfiguredPod {
  readonly uuid: string;
  readonly localConfig: string;
}

/**
 * Calls a plugin as it was called for ADD.
 *
 * @param netns the pod's namespace; empty where it is gone
 */
async function callAgain(
  command: "CHECK" | "DEL",
  plugin: PluginConf,
  { netName, cniVersion, ifName, args, result, portMappings = [] }: NetInfo,
  { uuid, localConfig }: ConfiguredPod,
  netns: string,
): Promise<void> {
  await execPlugin({
    command,
    network: { name: netName, cniVersion, plugins: [plugin], text: "" },
    plugin,
    attachment: { containerId: uuid, netns, ifName, args },
    ...result && { previous: parseResult(JSON.stringify(result)) },
    directories: pluginDirectories(localConfig),
    capabilities: { portMappings },
  });
}

/** Asks a plugin whether its set-up for a running pod is still complete (CHECK). */
export const callCheck = (
  plugin: PluginConf,
  info: NetInfo,
  pod: ConfiguredPod,
  netns: string,
): Promise<void> => callAgain("CHECK", plugin, info, pod, netns);

/**
 * Calls a plugin for a pod that has ended.
 *
 * @param netns the pod's namespace; empty where it is gone
 */
export async function callDelete(
  plugin: PluginConf,
  info: NetInfo,
  pod: ConfiguredPod,
  netns: string,
): Promise<void> {
  if (netns !== "") return await callAgain("DEL", plugin, info, pod, netns);
  if (needsAddresses(plugin) && info.ips.length > 0) {
    return await deleteInStandIn(plugin, info, pod);
  }
  try {
    await callAgain("DEL", plugin, info, pod, "");
  } catch {
    // The specification wants DEL to work without a namespace. Not every plugin does: `sbr` wants to see the link.
    await deleteInStandIn(plugin, info, pod);
  }
}

/**
 * Whether a plugin of CNI's own finds what it has masqueraded by the addresses of the pod's link only, and without a
 * namespace leaves its rules of iptables.
 */
const needsAddresses = ({ type, json }: PluginConf): boolean =>
  ["bridge", "ptp"].includes(type) && json.ipMasq === true;

/** Calls DEL with a namespace in which a link stands for the pod's that is gone. */
async function deleteInStandIn(
  plugin: PluginConf,
  info: NetInfo,
  pod: ConfiguredPod,
): Promise<void> {
  const standIn = makeNamespace();
  try {
    using socket = inNamespace(standIn, () => new NetlinkSocket(NETLINK_ROUTE));
    socket.requests([addLink("bridge", { name: info.ifName })]);
    const { index } = findLink(socket, info.ifName);
    socket.requests(addressesOf(info).map((address) => addAddress(index, address)));
    await callAgain("DEL", plugin, info, pod, `/proc/${Deno.pid}/fd/${standIn}`);
  } finally {
    trySyscall("close", standIn);
  }
}
