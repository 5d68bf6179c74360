/** External plugins of the Container Network Interface: programs that set up a network, or a part of it. */
import type { JsonObject } from "../appc/json_value.ts";
import type { Attachment, CniResult, NetworkConf, PluginConf } from "./cni.ts";

/** What a plugin is to do. */
export interface PluginCall {
  readonly command: "ADD" | "CHECK" | "DEL";
  readonly network: NetworkConf;
  readonly plugin: PluginConf;
  readonly attachment: Attachment;
  /** What the plugin before it in the list answered; for CHECK and DEL, what the last one answered to ADD. */
  readonly previous?: CniResult;
  /** The directories to look for programs in. */
  readonly directories: readonly string[];
  /** Values of capabilities, like `portMappings`; a plugin gets those that its configuration says it has. */
  readonly capabilities?: JsonObject;
}

/** Where programs of plugins are looked for. */
export function pluginDirectories(localConfig: string): readonly string[] {
  return [`${localConfig}/net.d`, "/usr/lib/rkt/plugins/net", "/usr/lib/cni", "/opt/cni/bin"];
}

/** The path of a type's program; undefined where there is none. */
export function findPlugin(_type: string, _directories: readonly string[]): string | undefined {
  throw new Error("not implemented");
}

/**
 * Runs a plugin in this thread's network namespace and waits for it.
 *
 * @returns what it answered to ADD; undefined for the other commands
 * @throws {Failure} the plugin is not there, says that it failed, or takes longer than two minutes
 */
export function execPlugin(_call: PluginCall): Promise<CniResult | undefined> {
  throw new Error("not implemented");
}
