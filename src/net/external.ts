/** Calls of external plugins for a pod's networks. */
import { Failure } from "../failure.ts";
import { trySyscall } from "../linux/syscall.ts";
import type { Attachment, CniResult, NetworkConf, PluginConf } from "./cni.ts";
import { execPlugin, hasCapability, pluginDirectories, portMappings } from "./cni_plugin.ts";
import { parseResult, resultJson } from "./cni_result.ts";
import { inNamespace, makeNamespace } from "./namespace.ts";
import type { Forward } from "./nat.ts";
import type { NetInfo } from "./net_info.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "./netlink.ts";
import { addLink } from "./rtnetlink_link.ts";

/** For whom plugins are called. */
export interface ExternalPlace {
  readonly network: NetworkConf;
  readonly attachment: Attachment;
  readonly localConfig: string;
  /** What plugins with the capability `portMappings` are to forward. */
  readonly forwards: readonly Forward[];
}

/** Calls a plugin for a pod that starts. */
export async function callAdd(
  plugin: PluginConf,
  { network, attachment, localConfig, forwards }: ExternalPlace,
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

/** Whether a plugin is told about the ports, and forwards them. */
export const forwardsPorts = (plugin: PluginConf): boolean => hasCapability(plugin, "portMappings");

/** What is written down of a network whose plugins are called again at the pod's end: what DEL gets. */
export function recordedCall(
  result: CniResult,
  { network: { cniVersion }, forwards }: ExternalPlace,
): Pick<NetInfo, "result" | "portMappings"> {
  return { result: resultJson(result, cniVersion), portMappings: portMappings(forwards) };
}

/**
 * Calls a plugin for a pod that has ended, as far as it is known how it was called for ADD.
 *
 * @param netns the pod's namespace; empty where it is gone
 */
export async function callDelete(
  plugin: PluginConf,
  { netName, cniVersion, ifName, args, result, portMappings = [] }: NetInfo,
  { uuid, localConfig }: { readonly uuid: string; readonly localConfig: string },
  netns: string,
): Promise<void> {
  const call = (netns: string) =>
    execPlugin({
      command: "DEL",
      network: { name: netName, cniVersion, plugins: [plugin], text: "" },
      plugin,
      attachment: { containerId: uuid, netns, ifName, args },
      ...result && { previous: parseResult(JSON.stringify(result)) },
      directories: pluginDirectories(localConfig),
      capabilities: { portMappings },
    });
  try {
    await call(netns);
  } catch (error) {
    if (netns !== "") throw error;
    // The specification wants DEL to work without a namespace. Not every plugin does: `sbr` wants to see the link.
    const standIn = makeNamespace();
    try {
      using socket = inNamespace(standIn, () => new NetlinkSocket(NETLINK_ROUTE));
      socket.requests([addLink("bridge", { name: ifName })]);
      await call(`/proc/${Deno.pid}/fd/${standIn}`);
    } finally {
      trySyscall("close", standIn);
    }
  }
}
