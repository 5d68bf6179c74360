/**
 * Setting up a pod's networks, in the host's network namespace: the pod's namespace, an interface in it for each network,
 * addresses, rules. All of it or nothing: what fails takes back what was done.
 */
import { closeDescriptor } from "../../linux/lock.ts";
import { podIsHeld } from "../../pod/directory/pod_held.ts";
import type { NetworkTearDown } from "../../../stage1/pod.ts";
import type { Attachment, CniDns, CniResult, NetworkConf, PluginConf } from "../model/cni.ts";
import { inNamespace, keepNamespace, makeNamespace, POD_NAMESPACE } from "../kernel/namespace.ts";
import { prefixText } from "../model/address.ts";
import { natRequest } from "./nat_request.ts";
import {
  completedInfo,
  type HostTie,
  linkRecord,
  type NetInfo,
  recordPath,
  writeRecord,
} from "./net_info.ts";
import { NetlinkSocket } from "../kernel/netlink.ts";
import { NETLINK_ROUTE } from "../kernel/netlink_numbers.ts";
import { inFile } from "../plugins/network_conf.ts";
import type { ChosenNetwork } from "../plugins/networks.ts";
import {
  allocate,
  allocationsOf,
  attachBuiltIn,
  externalIpam,
  isEmpty,
  isExternal,
  pluginsOf,
} from "../plugins/plugins.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import type { Attached } from "../types/pod_link.ts";
import { setLink } from "../kernel/rtnetlink_link.ts";
import { type Forward, storedForward } from "../model/forward.ts";

/** A pod that is to join networks. */
export interface NetworkRequest {
  readonly uuid: string;
  /** Absolute. */
  readonly dataDir: string;
  /** The pod's directory, where it is now. */
  readonly podPath: string;
  readonly localConfig: string;
  readonly networks: readonly ChosenNetwork[];
  readonly forwards: readonly Forward[];
  /**
   * Makes the pod's namespace. By default it belongs to the user namespace of the host; a pod with user IDs of its own
   * needs one that was made inside its user namespace.
   */
  readonly makeNamespace?: () => number;
}

/** A pod's networks, set up. {@linkcode POD_NAMESPACE} is open then, to be closed on exec. */
export interface SetUpNetworks {
  readonly infos: readonly NetInfo[];
  /** DNS settings for resolv.conf, of the first network that has some. */
  readonly dns?: CniDns;
  readonly tearDown: NetworkTearDown;
}

/** A network that a pod has joined. */
interface Joined extends Attached {
  readonly info: NetInfo;
  /** What says that its addresses are taken. */
  readonly files: readonly string[];
}

/**
 * Sets up all networks of a pod.
 *
 * @throws {Failure} everything is taken back first
 */
export async function setUpNetworks(request: NetworkRequest): Promise<SetUpNetworks> {
  const plans: Plan[] = [];
  for (const [i, chosen] of request.networks.entries()) {
    plans.push(await planNetwork(chosen, `eth${i}`, request));
  }
  keepNamespace((request.makeNamespace ?? makeNamespace)());
  writeRecord(request, plans.map(({ info }) => info));
  try {
    if (plans.every(({ info }) => info.called.length === 0)) return await setUp(plans, request);
    const { withoutGC } = await import("./attachments.ts");
    return await withoutGC(request.dataDir, () => setUp(plans, request));
  } catch (error) {
    const { takeDownNetworks } = await import("./take_down.ts");
    const { cleanUp } = await import("../../linux/clean_up.ts");
    const infos = plans.map(({ info }) => info);
    // What can't be taken down stays recorded, for `rkt gc`.
    await cleanUp(() => takeDownNetworks(request, infos), () => closeDescriptor(POD_NAMESPACE));
    throw error;
  }
}

/** The loopback interface is the first of every namespace. */
const LOOPBACK = 1;

async function setUp(plans: readonly Plan[], request: NetworkRequest): Promise<SetUpNetworks> {
  using host = new NetlinkSocket(NETLINK_ROUTE);
  using pod = inNamespace(POD_NAMESPACE, () => new NetlinkSocket(NETLINK_ROUTE));
  pod.requests([setLink(LOOPBACK, { up: true }, "lo")]);
  const joined: Joined[] = [];
  for (const plan of plans) joined.push(await join(plan, { host, pod }));
  const infos = await withForwards(joined, request.forwards);
  const nat = natRequest(request, infos);
  const rules = nat === undefined ? { messages: [] } : (await import("../nat/nat.ts"))
    .setUpNat(nat, (owner) => podIsHeld(owner.dataDir, owner.uuid));
  writeRecord(request, infos);
  linkRecord(request, request.podPath);
  const dns = joined.map(({ result }) => result.dns).find((each) => !isEmpty(each));
  const plugins = infos.some(({ called }) => called.length > 0);
  return {
    infos,
    ...dns && { dns },
    tearDown: {
      ...rules,
      files: [...joined.flatMap(({ files }) => files.map(padded)), recordPath(request)],
      ...plugins && { command: tearDownCommand(request) },
    },
  };
}

/** External plugins are programs, which the supervisor does not call itself. */
function tearDownCommand({ dataDir, localConfig, uuid }: NetworkRequest): readonly string[] {
  const flags = [`--dir=${dataDir}`, `--local-config=${localConfig}`];
  return [Deno.execPath(), ...flags, "net-teardown", uuid];
}

/** Characters of the longest address. */
const ADDRESS_LENGTH = { 4: 15, 6: 39 } as const;

/** The path of an address's reservation, filled up with slashes to one length for all addresses; a repeated start writes another one there. */
function padded(file: string): string {
  const slash = file.lastIndexOf("/");
  const name = file.slice(slash + 1);
  const missing = ADDRESS_LENGTH[name.includes(":") ? 6 : 4] - name.length;
  return file.slice(0, slash) + "/".repeat(missing + 1) + name;
}

/** A network before the pod joins it. */
interface Plan {
  readonly network: NetworkConf;
  /** With what `flannel` stands for. */
  readonly plugins: NetworkConf["plugins"];
  readonly attachment: Attachment;
  readonly info: NetInfo;
  readonly localConfig: string;
  /** What external plugins are to forward. */
  readonly forwards: readonly Forward[];
}

async function planNetwork(
  { network, args }: ChosenNetwork,
  ifName: string,
  request: NetworkRequest,
): Promise<Plan> {
  const netns = `/proc/${Deno.pid}/fd/${POD_NAMESPACE}`;
  const attachment = { containerId: request.uuid, netns, ifName, args };
  return await about(network.plugins[0], async () => {
    const { main, plugins, called } = await pluginsOf(network, request.localConfig);
    const allocations = allocationsOf(network, main);
    const info: NetInfo = {
      netName: network.name,
      netConf: network.path ?? "",
      pluginPath: main.type,
      ifName,
      ip: "",
      args,
      mask: "",
      ips: [],
      ...allocations !== undefined && { allocations },
      cniVersion: network.cniVersion,
      ...network.disableCheck && { disableCheck: true },
      called,
    };
    const { localConfig, forwards } = request;
    if (called.length > 0) {
      const { checkReady } = await import("./external.ts");
      await checkReady(called, { network, localConfig });
    }
    return { network, plugins, attachment, info, localConfig, forwards };
  });
}

/** Names the configuration in errors about it. */
async function about<T>(plugin: PluginConf, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw inFile(error, plugin.at);
  }
}

/** rtnetlink of the host's namespace, and of the pod's. */
interface Sockets {
  readonly host: NetlinkSocket;
  readonly pod: NetlinkSocket;
}

/** Joins a pod to a network: the first plugin makes the interface, the others add to it. */
async function join(plan: Plan, sockets: Sockets): Promise<Joined> {
  const [first, ...others] = plan.plugins;
  const { files, ...attached } = await about(first, () => joinFirst(first, plan, sockets));
  let { result } = attached;
  for (const plugin of others) result = await callExternal(plugin, plan, result);
  const info = {
    ...completedInfo(plan.info, result, hostTie(attached, first, plan.attachment)),
    ...attached.masqueraded && { masqueraded: true },
  };
  if (info.called.length === 0) return { ...attached, result, files, info };
  const { recordedCall } = await import("./external.ts");
  return { ...attached, result, files, info: { ...info, ...recordedCall(result, plan) } };
}

/** How the first plugin has tied the pod to the host. */
function hostTie(
  { result, hostLink, hostAddresses = [], switched, unguarded }: Attached,
  plugin: PluginConf,
  attachment: Attachment,
): HostTie {
  const own = hostLinkName(attachment);
  const builtIn = !isExternal(plugin);
  const gateways = result.ips.flatMap(({ gateway }) => gateway ?? []);
  // We make no default route that there is no gateway for.
  const routes = result.routes.filter(({ to, via }) =>
    !builtIn || to.length > 0 || via !== undefined ||
    gateways.some(({ length }) => length === to.address.length)
  );
  return {
    builtIn,
    ownLink: result.interfaces.some(({ name }) => name === own),
    ...hostLink !== undefined && hostLink !== own && { link: hostLink },
    switched,
    ...unguarded && { unguarded },
    hostAddresses: hostAddresses.map(prefixText),
    routes: routes.map(({ to }) => prefixText(to)),
  };
}

async function joinFirst(
  plugin: PluginConf,
  plan: Plan,
  sockets: Sockets,
): Promise<Attached & { readonly files: readonly string[] }> {
  const { network, attachment } = plan;
  if (isExternal(plugin)) {
    const result = await callExternal(plugin, plan);
    const hostLink = result.interfaces.find(({ sandbox }) => (sandbox ?? "") === "")?.name;
    // What it has made is not known; as if of a bridge, connections to ports work in any case.
    return { result, ...hostLink && { hostLink }, switched: true, masqueraded: false, files: [] };
  }
  const ipam = externalIpam(plugin);
  const allocation = ipam === undefined
    ? allocate(network, plugin, attachment)
    : { ...await callExternal(ipam, plan), files: [] };
  const context = { ...sockets, namespace: POD_NAMESPACE, network, plugin, attachment };
  return { ...await attachBuiltIn(context, allocation), files: allocation.files };
}

async function callExternal(
  plugin: PluginConf,
  plan: Plan,
  previous?: CniResult,
): Promise<CniResult> {
  const { callAdd } = await import("./external.ts");
  return await callAdd(plugin, plan, previous);
}

/** Writes down where the forwards lead to: the first network that is masqueraded, else the last. */
async function withForwards(
  joined: readonly Joined[],
  forwards: readonly Forward[],
): Promise<readonly NetInfo[]> {
  const infos = joined.map(({ info }) => info);
  const to = infos.find((each) => each.masqueraded) ?? infos.at(-1);
  if (to === undefined || forwards.length === 0 || await forwardedByPlugins(to)) return infos;
  return infos.map((info) =>
    info === to ? { ...info, forwards: forwards.map(storedForward) } : info
  );
}

async function forwardedByPlugins({ called }: NetInfo): Promise<boolean> {
  if (called.length === 0) return false;
  const { forwardsPorts } = await import("./external.ts");
  return called.some(forwardsPorts);
}
