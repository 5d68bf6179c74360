/** Which plugins rkt has built in, and how each of them is called. */
import { Failure } from "../../failure.ts";
import { AppcError } from "../../appc/error.ts";
import { type JsonObject, object, optional, string } from "../../appc/json_value.ts";
import type { IpAddress } from "../model/address.ts";
import type { Attachment, NetworkConf, PluginConf } from "../model/cni.ts";
import { allocateHostLocal, allocationDirectory } from "../ipam/host_local.ts";
import { allocateStatic, type Allocation, cniArgs, dnsField, ipField } from "../ipam/ipam.ts";
import type { AttachContext, Attached } from "../types/pod_link.ts";
import { attachPtp } from "../types/ptp.ts";

/** Joins a pod to a network. What the default network does not need is loaded when it is needed. */
type Attach = (context: AttachContext, allocation: Allocation) => Attached | Promise<Attached>;

const parentLink: Attach = async (context, allocation) =>
  (await import("../types/parent_links.ts")).attachParentLink(context, allocation);

const BUILT_IN: Readonly<Record<string, Attach>> = {
  ptp: attachPtp,
  bridge: async (context, allocation) =>
    (await import("../types/bridge.ts")).attachBridge(context, allocation),
  macvlan: parentLink,
  ipvlan: parentLink,
  vlan: parentLink,
  dummy: parentLink,
  // Every pod has its loopback interface up anyway.
  loopback: (_, allocation) => ({
    result: { ...allocation, interfaces: [] },
    switched: false,
    masqueraded: false,
  }),
};

/** Whether a plugin is an external program: its type is not built in, or the configuration has a path in `plugin`. */
export function isExternal({ type, json }: PluginConf): boolean {
  return json.plugin !== undefined || !(Object.hasOwn(BUILT_IN, type) || type === "flannel");
}

/** What a plugin stands for: `flannel` is another one with a configuration that is made now. */
export async function standsFor(plugin: PluginConf): Promise<PluginConf> {
  if (plugin.type !== "flannel" || isExternal(plugin)) return plugin;
  const { delegateOfFlannel } = await import("../types/flannel.ts");
  return delegateOfFlannel(plugin);
}

/** The IPAM part of a plugin's configuration, if it has one with a type. */
export function ipamOf(
  { json }: PluginConf,
): { readonly type: string; readonly json: JsonObject } | undefined {
  const ipam = optional(json.ipam, "ipam", object);
  const type = ipam === undefined ? "" : optional(ipam.type, "ipam.type", string) ?? "";
  return ipam === undefined || type === "" ? undefined : { type, json: ipam };
}

const OUR_IPAM = ["host-local", "static"];

/** The external plugin that a built-in one gets its addresses from; absent where a built-in one gives them. */
export function externalIpam(plugin: PluginConf): PluginConf | undefined {
  if (isExternal(plugin)) return undefined; // it calls its own
  const ipam = ipamOf(plugin);
  if (ipam === undefined || OUR_IPAM.includes(ipam.type)) return undefined;
  return { type: ipam.type, json: plugin.json, at: plugin.at };
}

/** What a network's plugins stand for, and which of them are programs. */
export async function pluginsOf({ plugins: [first, ...others] }: NetworkConf, localConfig: string) {
  const ours = others.find((plugin) => !isExternal(plugin));
  if (ours !== undefined) {
    throw new Failure(`${ours.at}: type: "${ours.type}" can be the first plugin of a network only`);
  }
  const main = await asProgram(await standsFor(first), localConfig);
  const plugins: NetworkConf["plugins"] = [main, ...others];
  const ipam = externalIpam(main);
  const called = [...ipam === undefined ? [] : [ipam], ...plugins.filter(isExternal)];
  return { main, plugins, called };
}

/**
 * A built-in plugin that gets its addresses from an external one is a program itself, where there is one: that of
 * `dhcp`, for one, is asked when the pod has its link already.
 */
async function asProgram(plugin: PluginConf, localConfig: string): Promise<PluginConf> {
  if (externalIpam(plugin) === undefined) return plugin;
  const { findPlugin, pluginDirectories } = await import("./cni_plugin.ts");
  const path = findPlugin(plugin.type, pluginDirectories(localConfig));
  return path === undefined ? plugin : { ...plugin, json: { ...plugin.json, plugin: path } };
}

/** The directory where `host-local`, ours or one that an external plugin calls, notes addresses of a network. */
export function allocationsOf(network: NetworkConf, plugin: PluginConf): string | undefined {
  const ipam = isExternal(plugin) ? undefined : ipamOf(plugin);
  return ipam?.type === "host-local"
    ? allocationDirectory(ipam.json, network.name, "ipam")
    : undefined;
}

const ARGUMENTS = ["IP", "GATEWAY", "MAC", "IgnoreUnknown"];

/** Refuses arguments that nothing built in knows, as CNI's plugins do. */
function checkArguments(args: ReadonlyMap<string, string>): void {
  if (["1", "true"].includes(args.get("IgnoreUnknown") ?? "")) return;
  const unknown = [...args.keys()].find((key) => !ARGUMENTS.includes(key));
  if (unknown === undefined) return;
  throw new AppcError(unknown, `is no argument of this network; there are ${ARGUMENTS.join(", ")}`);
}

/** What our own IPAM gives a pod. */
export function allocate(
  network: NetworkConf,
  plugin: PluginConf,
  attachment: Attachment,
): Allocation {
  const args = cniArgs(attachment.args);
  checkArguments(args);
  const dns = dnsField(plugin.json.dns, "dns");
  const ipam = ipamOf(plugin);
  if (ipam === undefined) return { ips: [], routes: [], dns, files: [] };
  const allocation = ipam.type === "static"
    ? allocateStatic(ipam.json, "ipam", args)
    : allocateHostLocal(
      ipam.json,
      "ipam",
      network.name,
      attachment,
      askedAddresses(plugin.json, args),
    );
  return isEmpty(allocation.dns) ? { ...allocation, dns } : allocation;
}

/** Whether nothing is said about names. */
export const isEmpty = ({ nameservers, search, options, domain }: Allocation["dns"]): boolean =>
  nameservers.length + search.length + options.length === 0 && domain === undefined;

/** `IP` of the arguments, and `args.cni.ips` of the configuration. */
function askedAddresses(json: JsonObject, args: ReadonlyMap<string, string>): readonly IpAddress[] {
  const words = (args.get("IP") ?? "").split(",").filter((each) => each !== "");
  const conventional = optional(optional(json.args, "args", object)?.cni, "args.cni", object)?.ips;
  const more = Array.isArray(conventional) ? conventional : [];
  return [
    ...words.map((each) => ipField(each, "IP")),
    ...more.map((each, i) =>
      ipField(string(each, `args.cni.ips[${i}]`).split("/")[0], `args.cni.ips[${i}]`)
    ),
  ];
}

/** Joins a pod to a network by a built-in plugin. */
export async function attachBuiltIn(
  context: AttachContext,
  allocation: Allocation,
): Promise<Attached> {
  const { type } = context.plugin;
  const attach = BUILT_IN[type];
  if (attach === undefined) throw new Error(`"${type}" is not a built-in plugin`);
  return await attach(context, allocation);
}
