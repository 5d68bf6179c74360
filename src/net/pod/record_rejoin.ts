/**
 * Records what a repeated start needs to join a network (stage1/launcher/join_network.ts), from the same requests that
 * set_up.ts sends.
 */
import { boolean, type JsonObject } from "../../appc/json_value.ts";
import { type Bytes, concat, holeBytes, holesOf } from "../../linux/bytes.ts";
import { AF_INET, AF_INET6, type IpAddress, prefixText } from "../model/address.ts";
import type { CniIp, CniResult } from "../model/cni.ts";
import { besides, DEFAULT6, isDefault4 } from "../ipam/embedded_ipv6.ts";
import { allocationDirectory, type Range, readRangeSets } from "../ipam/host_local.ts";
import { routesField } from "../ipam/ipam.ts";
import { listenersRequest } from "../kernel/listeners.ts";
import { encode, type Message, NLM_F_DUMP } from "../kernel/message.ts";
import { answersRoute } from "../nat/loopback_access.ts";
import { askForRule, natElements } from "../nat/nat.ts";
import { elementsCanExpire, ending, lastAcknowledged, removal } from "../nat/nat_tear_down.ts";
import { elementMessages, insertion, portKey, type SetElementRef } from "../nat/nat_elements.ts";
import { natRequest } from "./nat_request.ts";
import { setName, TABLE } from "../nat/nat_table.ts";
import { type NetInfo, recordPath, recordText } from "./net_info.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import { POD_NAMESPACE } from "../kernel/namespace.ts";
import { NetlinkError, NetlinkSocket, type Request } from "../kernel/netlink.ts";
import { NETLINK_ROUTE } from "../kernel/netlink_numbers.ts";
import type { ChosenNetwork } from "../plugins/networks.ts";
import { encodedBatch, getGeneration } from "../kernel/nft.ts";
import { getElements } from "../kernel/nft_set.ts";
import { ipamOf, isExternal } from "../plugins/plugins.ts";
import { findLink, macOf, mtuField, podLinkRequests, podRouteRequests } from "../types/pod_link.ts";
import {
  bridgeName,
  gatewayPrefix,
  OUR_BRIDGE,
  portRequests,
  withGateways,
} from "../types/bridge.ts";
import { bringUpRequests, guardRequests, podGuard } from "../types/host_link.ts";
import { hostEndRequests, ptpGuard, vethRequest } from "../types/ptp.ts";
import {
  type BridgeReplay,
  type NetworkReplay,
  type PortChecks,
  type Template,
  type ValueName,
  VALUES,
} from "../../../stage1/launcher/network_replay.ts";
import { type HoleName, type HolePlace, textHole } from "../../../stage1/engine/hole.ts";
import {
  addLink,
  bridgeAttributes,
  getLink,
  setBridgePort,
  setLink,
  veth as vethPeer,
} from "../kernel/rtnetlink_link.ts";
import { addAddress } from "../kernel/rtnetlink_address.ts";
import type { Forward } from "../model/forward.ts";

/** The most forwarded ports that the fast path takes. */
const PORTS = 16;

/** The loopback interface is the first of every namespace. */
const LOOPBACK = 1;

/** The pod whose start is being cached. */
export interface RecordedPod {
  readonly uuid: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly localConfig: string;
  readonly forwards: readonly Forward[];
  /** The contents of its `net-info.json`. */
  readonly infos: readonly NetInfo[];
  /** As it stands in /etc/hosts; absent where it does not. */
  readonly address?: string | undefined;
  /** The holes of its program. */
  readonly holes: readonly HolePlace[];
}

/**
 * A network that the fast path can join: a veth, maybe to a bridge, one IPv4 address of one range, maybe IPv6 beside it, and
 * TCP ports only.
 */
interface RejoinableNetwork {
  /** The name of the bridge, where the pod is behind one. */
  readonly bridge?: string;
  /** Whether the pod has IPv6 beside IPv4. */
  readonly ipv6: boolean;
  readonly range: Range;
  readonly routes: CniResult["routes"];
  readonly mtu?: number;
  /** Its configuration. */
  readonly json: JsonObject;
  readonly masqueraded: boolean;
  /** Where addresses are noted. */
  readonly directory: string;
}

/** Finds out whether it is of that kind. */
function rejoinable(
  chosen: readonly ChosenNetwork[],
  pod: RecordedPod,
): RejoinableNetwork | undefined {
  const [only, ...others] = chosen;
  if (only === undefined) return undefined;
  const { network, args } = only;
  const [plugin, ...more] = network.plugins;
  const { json, type } = plugin;
  const ipam = ipamOf(plugin);
  if (others.length + more.length > 0 || isExternal(plugin)) return undefined;
  if (args !== "" || json.args !== undefined || ipam?.type !== "host-local") return undefined;
  if (pod.forwards.some(({ protocol }) => protocol !== "tcp")) return undefined;
  if (pod.forwards.reduce((sum, { count }) => sum + count, 0) > PORTS) return undefined;
  const [range, ...ranges] = readRangeSets(ipam.json, "ipam").flat();
  if (range?.subnet.address.length !== 4 || ranges.length > 0) return undefined;
  const mtu = mtuField(json);
  const [, six] = pod.infos.flatMap(({ ips }) => ips);
  const bridge = type === "bridge" && six === undefined ? ownBridge(json) : undefined;
  if (type !== "ptp" && bridge === undefined) return undefined;
  const routes = routesField(ipam.json, "ipam");
  return {
    ...bridge !== undefined && { bridge },
    ipv6: six !== undefined,
    range,
    routes: six !== undefined && routes.some(isDefault4) ? [...routes, DEFAULT6] : routes,
    ...mtu !== undefined && { mtu },
    json,
    masqueraded: boolean(json.ipMasq, "ipMasq", false),
    directory: allocationDirectory(ipam.json, network.name, "ipam"),
  };
}

/** What a bridge's port and its pod can need that only the full set-up does. */
const BRIDGE_OPTIONS = ["promiscMode", "macspoofchk"] as const;

/** The bridge of a configuration: one that rkt has made, and that is its pods' gateway. Else undefined. */
function ownBridge(json: JsonObject): string | undefined {
  const option = (name: string) => boolean(json[name], name, false);
  if (BRIDGE_OPTIONS.some(option)) return undefined;
  if (!option("isGateway") && !option("isDefaultGateway")) return undefined;
  using host = new NetlinkSocket(NETLINK_ROUTE);
  try {
    const { name, alias } = findLink(host, bridgeName(json));
    return alias === OUR_BRIDGE ? name : undefined;
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    return undefined; // somebody has removed it meanwhile
  }
}

/** The index of a link, or the generation of the rules, that each start has its own of. */
const word = (name: "hostIndex" | "podIndex" | "bridgeIndex" | "generation"): Bytes =>
  holeBytes(name, new Uint8Array(VALUES[name]));

/** The pod's address, as the name of a file or in its file of hosts. */
const nameHole = (name: "addressFile" | "addressText"): Bytes =>
  holeBytes(name, new Uint8Array(VALUES[name]));

const UUID = textHole("uuid", VALUES.uuid);
const LINK = textHole("link", VALUES.link);
/** The pod's interface. */
const POD_LINK = "eth0";
const HOST_INDEX = word("hostIndex");
const POD_INDEX = word("podIndex");
const BRIDGE_INDEX = word("bridgeIndex");
const POD = { index: POD_INDEX, name: POD_LINK };

/** How holes are named whose values have another name: an address in the order of the machine. */
const OTHER_NAMES: ReadonlyMap<string, ValueName> = new Map([[
  "reversed address",
  "addressNumber",
]]);

const isValue = (name: string): name is ValueName => Object.hasOwn(VALUES, name);

/** The template of bytes with holes. */
function templateOf(bytes: Bytes): Template {
  const holes = holesOf(bytes).map(({ name, at, size }): Template["holes"][number] => {
    const value = OTHER_NAMES.get(name) ?? name;
    if (!isValue(value) || VALUES[value] !== size) throw new Error(`no value fills ${name}`);
    return [value, at];
  });
  return { hex: bytes.toHex(), holes };
}

/** Requests in one datagram. Only the last one is answered: by an acknowledgement, unless it is a question. */
function datagram(requests: readonly Request[], question = false): Bytes {
  const messages = requests.map(({ message }) => message);
  const all = question ? messages : lastAcknowledged(messages);
  return concat(...all.map((message, i) => encode(message, i + 1)));
}

/** Records a network. Undefined where it needs the full set-up. */
export function recordRejoin(
  chosen: readonly ChosenNetwork[],
  pod: RecordedPod,
): NetworkReplay | undefined {
  const network = rejoinable(chosen, pod);
  const [info, ...others] = pod.infos;
  if (network === undefined || info === undefined || others.length > 0) return undefined;
  if (info.tie?.unguarded === true) return undefined;
  if (hostLinkName({ containerId: pod.uuid, ifName: "eth0" }) !== launchedLink(pod.uuid)) {
    return undefined;
  }
  const { forwards } = pod;
  const { directory, range } = network;
  const ips = ipsOf(network);
  const { own: elements, shared } = elementsOf(ips, info, pod.dataDir, network.bridge);
  const ruled = network.masqueraded || forwards.length > 0;
  const program = tearDown(elements, ruled, network, pod)
    .map(([name, bytes]) => [name, templateOf(bytes)] as const);
  if (!fits(program, pod.holes)) return undefined;
  const records = recordPath({ dataDir: pod.dataDir, uuid: "" }).replace(/\/$/, "");
  const generation = forwards.length > 0 ? word("generation") : undefined;
  const insertions = lastAcknowledged(elementMessages([...elements, ...shared], insertion));
  return {
    ipv6: network.ipv6,
    records,
    range: {
      directory,
      first: numberOf(range.start),
      last: numberOf(range.end),
      gateway: numberOf(range.gateway),
    },
    info: infoParts(info),
    ...network.bridge !== undefined && { bridge: bridgeReplay(network.bridge) },
    ...(network.bridge === undefined ? veth : port)(network, ips, forwards.length > 0),
    ...ruled && { rules: templateOf(encodedBatch(insertions, generation)) },
    ...ruled && { noRules: templateOf(removal(elements)) },
    ...ruled && ruleQuestion(),
    ...forwards.length > 0 && { ports: portChecks(forwards) },
    program,
  };
}

/** Whether templates are as long as the holes that they are for, and all holes of networks have one. */
function fits(
  program: readonly (readonly [HoleName, Template])[],
  holes: readonly HolePlace[],
): boolean {
  const sizes = new Map(program.map(([name, { hex }]) => [name, hex.length / 2]));
  return holes.every(({ name, size }) =>
    ["uuid", "users", "digits"].includes(name) || sizes.get(name) === size
  );
}

/** The question whether the table has its rules: with its sets alone, the pod's elements could be inserted all the same. */
function ruleQuestion(): Pick<NetworkReplay, "ruleQuestion"> {
  const message = askForRule();
  return message === undefined ? {} : { ruleQuestion: encode(message, 1).toHex() };
}

/** The name that the launcher gives a pod's link on the host. */
const launchedLink = (uuid: string) => `veth${uuid.slice(0, 8)}${uuid.slice(9, 11)}0`;

/** The pod's addresses: a hole in their network. */
function ipsOf({ range: { subnet, gateway }, ipv6 }: RejoinableNetwork): readonly CniIp[] {
  const address = holeBytes("address", subnet.address.slice());
  const ip = { address: { address, length: subnet.length }, gateway };
  return ipv6 ? [ip, besides(ip)] : [ip];
}

type LinkTemplates = Pick<NetworkReplay, "link" | "podLink" | "podEnd" | "hostEnd">;

/** The messages for the pod's link, as ptp.ts sends them. */
function veth(
  { mtu, routes, json, ipv6 }: RejoinableNetwork,
  ips: readonly CniIp[],
  forwarded: boolean,
): LinkTemplates {
  const ends = { podName: POD_LINK, namespace: POD_NAMESPACE, ...mtu !== undefined && { mtu } };
  return linkTemplates(vethRequest({ ...ends, hostName: LINK }), [
    ...podLinkRequests(POD, { ips }, { pointToPoint: true }),
    ...podRouteRequests(POD_INDEX, { ips, routes: firstOfEach(routes) }),
  ], [
    ...guardRequests(HOST_INDEX, ptpGuard(json, ips)),
    ...bringUpRequests(HOST_INDEX, LINK),
    ...hostEndRequests(HOST_INDEX, ips),
    ...ipv6 && forwarded ? [answersRoute(HOST_INDEX)] : [],
  ]);
}

/** The messages for a port of a bridge, as bridge.ts sends them, and nat.ts where ports lead to the pod. */
function port(
  { mtu, routes: configured, json }: RejoinableNetwork,
  addresses: readonly CniIp[],
  forwarded: boolean,
): LinkTemplates {
  const size = mtu === undefined ? {} : { mtu };
  const isDefault = boolean(json.isDefaultGateway, "isDefaultGateway", false);
  const { ips, routes } = withGateways({ ips: addresses, routes: configured }, isDefault);
  const all = ips.map(({ address }) => address.address);
  const [mac] = all.map(macOf);
  const peer = { name: POD_LINK, namespace: POD_NAMESPACE, ...size, ...mac && { mac } };
  const link = { name: LINK, master: BRIDGE_INDEX, ...size };
  return linkTemplates(addLink("veth", link, vethPeer(peer)), [
    ...podLinkRequests(POD, { ips }, {}),
    ...podRouteRequests(POD_INDEX, { ips, routes: firstOfEach(routes) }),
  ], [
    ...guardRequests(HOST_INDEX, podGuard(json, all, true)),
    ...bringUpRequests(HOST_INDEX, LINK),
    ...portRequests(HOST_INDEX, json),
    ...forwarded ? [setBridgePort(HOST_INDEX, { hairpin: true })] : [],
    ...ips.flatMap(gatewayPrefix).map((each) => addAddress(BRIDGE_INDEX, each, { replace: true })),
  ]);
}

/** Of two routes to the same network the first one wins, as in firstWins() of pod_link.ts. */
const firstOfEach = (routes: CniResult["routes"]): CniResult["routes"] =>
  [...new Map(routes.toReversed().map((route) => [prefixText(route.to), route])).values()]
    .toReversed();

/** The question for a bridge, and what its answer has. */
const bridgeReplay = (name: string): BridgeReplay => ({
  name,
  question: encode(getLink(name).message, 1).toHex(),
  attributes: bridgeAttributes(OUR_BRIDGE).map((bytes) => bytes.toHex()),
});

function linkTemplates(
  link: Request,
  podEnd: readonly Request[],
  hostEnd: readonly Request[],
): LinkTemplates {
  const podLink = [setLink(LOOPBACK, { up: true }, "lo"), getLink(POD_LINK)];
  return {
    link: templateOf(datagram([link, getLink(LINK)], true)),
    podLink: templateOf(datagram(podLink, true)),
    podEnd: templateOf(datagram(podEnd)),
    hostEnd: templateOf(datagram(hostEnd)),
  };
}

/** The pod's elements in nftables, and those that pods share; none where it has no rules. */
function elementsOf(
  ips: readonly CniIp[],
  info: NetInfo,
  dataDir: string,
  bridge = LINK,
): ReturnType<typeof natElements> {
  const request = natRequest({ uuid: UUID, dataDir }, [info]);
  if (request === undefined) return { own: [], shared: [] };
  const { masqueraded, target } = request;
  const addresses = ips.map(({ address }) => address);
  return natElements({
    ...request,
    masqueraded: masqueraded.length > 0 ? addresses : [],
    ...target && { target: { ...target, addresses, link: bridge } },
  });
}

/** What takes the network down; see set_up.ts. */
function tearDown(
  elements: readonly SetElementRef[],
  ruled: boolean,
  { directory }: RejoinableNetwork,
  { dataDir, address }: RecordedPod,
): readonly (readonly [HoleName, Bytes])[] {
  const encoder = new TextEncoder();
  const batches = elementsCanExpire() ? [ending, removal] : [removal];
  const uuid = holeBytes("uuid", new Uint8Array(VALUES.uuid));
  return [
    ...(ruled ? batches : []).map((batch, i) => [`message ${i}`, batch(elements)] as const),
    ["file 0", concat(encoder.encode(directory), nameHole("addressFile"))],
    ["file 1", concat(encoder.encode(recordPath({ dataDir, uuid: "" })), uuid)],
    ...address === undefined ? [] : [["address", nameHole("addressText")] as const],
  ];
}

/** What is checked before ports are forwarded. */
function portChecks(forwards: readonly Forward[]): PortChecks {
  const hostPorts = forwards.flatMap(({ hostPort, count }) =>
    Array.from({ length: count }, (_, i) => hostPort + i)
  );
  const dump = (message: Message) =>
    encode({ ...message, flags: message.flags | NLM_F_DUMP }, 1).toHex();
  const sets = ["forwards", "forwards_at"] as const;
  return {
    hostPorts,
    listeners: [AF_INET, AF_INET6].map((family) => dump(listenersRequest("tcp", family))),
    generation: encode(getGeneration(), 1).toHex(),
    others: sets.flatMap((set) =>
      [4, 16].map((size) => dump(getElements(TABLE, setName(set, new Uint8Array(size)))))
    ),
    keys: hostPorts.map((port) => portKey("tcp", port).toHex()),
  };
}

const numberOf = (address: IpAddress): number => Number(`0x${address.toHex()}`);

/** The text of `net-info.json`, split where the address goes. */
function infoParts(info: NetInfo): readonly string[] {
  const hole = textHole("address", 1), { ip } = info;
  const text = recordText([
    { ...info, ip: hole, ips: info.ips.map((prefix) => prefix.replace(ip, hole)) },
  ]);
  return text.split(JSON.stringify(hole).slice(1, -1));
}
