/** Calls of external plugins for a pod's networks. */
import type { JsonObject } from "../appc/json_value.ts";
import { ipText } from "./address.ts";
import type { Attachment, CniResult, NetworkConf, PluginConf } from "./cni.ts";
import { execPlugin, pluginDirectories } from "./cni_plugin.ts";
import type { Forward } from "./nat.ts";

/** For whom plugins are called. */
export interface ExternalPlace {
  readonly network: NetworkConf;
  readonly attachment: Attachment;
  readonly localConfig: string;
  /** What plugins with the capability `portMappings` are to forward. */
  readonly forwards: readonly Forward[];
}

/** Calls a plugin. */
export async function callPlugin(
  command: "ADD" | "DEL",
  plugin: PluginConf,
  { network, attachment, localConfig, forwards }: ExternalPlace,
  previous?: CniResult,
): Promise<CniResult | undefined> {
  return await execPlugin({
    command,
    network,
    plugin,
    attachment,
    ...previous && { previous },
    directories: pluginDirectories(localConfig),
    capabilities: { portMappings: forwards.flatMap(portMappings) },
  });
}

/** Whether a plugin is told about the ports, and forwards them. */
export function forwardsPorts({ json }: PluginConf): boolean {
  const { capabilities } = json;
  return typeof capabilities === "object" && capabilities !== null &&
    "portMappings" in capabilities && capabilities.portMappings === true;
}

/** CNI has no ranges of ports. */
function portMappings(forward: Forward): readonly JsonObject[] {
  const { protocol, hostIp, hostPort, podPort, count } = forward;
  return Array.from({ length: count }, (_, i) => ({
    hostPort: hostPort + i,
    containerPort: podPort + i,
    protocol,
    ...hostIp && { hostIP: ipText(hostIp) },
  }));
}
