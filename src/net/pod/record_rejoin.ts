/**
 * Records what a repeated start needs to join a network (stage1/launcher/join_network.ts), from the same requests that
 * set_up.ts sends.
 */
import { boolean, type JsonObject } from "../../appc/json_value.ts";
import { type Bytes, concat } from "../../linux/bytes.ts";
import {
  AF_INET,
  AF_INET6,
  embedding,
  type IpAddress,
  lastOf,
  prefixText,
} from "../model/address.ts";
import type { CniIp, CniResult } from "../model/cni.ts";
import { besides, DEFAULT6, isDefault4 } from "../ipam/embedded_ipv6.ts";
import { allocationDirectory, type Range, readRangeSets } from "../ipam/host_local.ts";
import { routesField } from "../ipam/ipam.ts";
import { listenersRequest } from "../kernel/listeners.ts";
import { encode, type Message, NLM_F_DUMP, u32 } from "../kernel/message.ts";
import { answersRoute } from "../nat/loopback_access.ts";
import { askForRule, natElements } from "../nat/nat.ts";
import { elementsCanExpire, ending, lastAcknowledged, removal } from "../nat/nat_tear_down.ts";
import { elementMessages, insertion, portKey, type SetElementRef } from "../nat/nat_elements.ts";
import { natRequest } from "./nat_request.ts";
import { setName, TABLE } from "../nat/nat_table.ts";
import { type NetInfo, recordPath } from "./net_info.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import { POD_NAMESPACE } from "../kernel/namespace.ts";
import type { Request } from "../kernel/netlink.ts";
import type { ChosenNetwork } from "../plugins/networks.ts";
import { encodedBatch, getGeneration } from "../kernel/nft.ts";
import { getElements } from "../kernel/nft_set.ts";
import { ipamOf, isExternal } from "../plugins/plugins.ts";
import { mtuField, podLinkRequests, podRouteRequests } from "../types/pod_link.ts";
import { bringUpRequests, guardRequests } from "../types/host_link.ts";
import { hostEndRequests, ptpGuard, vethRequest } from "../types/ptp.ts";
import {
  type NetworkReplay,
  type PortChecks,
  type Template,
  type ValueName,
  VALUES,
} from "../../../stage1/launcher/network_replay.ts";
import type { HoleName, HolePlace } from "../../../stage1/engine/hole.ts";
import { getLink, setLink } from "../kernel/rtnetlink_link.ts";
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

/** A network that the fast path can join: a veth, one IPv4 address of one range, maybe IPv6 beside it, and TCP ports only. */
interface RejoinableNetwork {
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
  if (others.length + more.length > 0 || type !== "ptp" || isExternal(plugin)) return undefined;
  if (args !== "" || json.args !== undefined || ipam?.type !== "host-local") return undefined;
  if (pod.forwards.some(({ protocol }) => protocol !== "tcp")) return undefined;
  if (pod.forwards.reduce((sum, { count }) => sum + count, 0) > PORTS) return undefined;
  const [range, ...ranges] = readRangeSets(ipam.json, "ipam").flat();
  if (range?.subnet.address.length !== 4 || ranges.length > 0) return undefined;
  const mtu = mtuField(json);
  const [, six] = pod.infos.flatMap(({ ips }) => ips);
  const routes = routesField(ipam.json, "ipam");
  return {
    ipv6: six !== undefined,
    range,
    routes: six !== undefined && routes.some(isDefault4) ? [...routes, DEFAULT6] : routes,
    ...mtu !== undefined && { mtu },
    json,
    masqueraded: boolean(json.ipMasq, "ipMasq", false),
    directory: allocationDirectory(ipam.json, network.name, "ipam"),
  };
}

/** Values that are written into a message to find their offsets. */
interface Marks {
  readonly address: IpAddress;
  /** The same, where it stands as a number: none of its bytes is like another. */
  readonly source: IpAddress;
  readonly addressFile: string;
  readonly addressText: string;
  readonly uuid: string;
  readonly link: string;
  readonly hostIndex: number;
  readonly podIndex: number;
  readonly generation: number;
}

/**
 * Two sets of marks. A message is made with both; the bytes that differ are the holes. Every byte of a mark differs from
 * the other set, but for the bytes that all addresses of the network share.
 */
function marks({ range: { subnet } }: RejoinableNetwork): readonly [Marks, Marks] {
  const first: Marks = {
    address: subnet.address,
    source: new Uint8Array([1, 2, 3, 4]),
    addressFile: "a".repeat(VALUES.addressFile),
    addressText: "g".repeat(VALUES.addressText),
    uuid: "c".repeat(VALUES.uuid),
    link: "e".repeat(VALUES.link),
    hostIndex: 0x01010101,
    podIndex: 0x03030303,
    generation: 0x05050505,
  };
  const second: Marks = {
    address: lastOf(subnet),
    source: new Uint8Array([5, 6, 7, 8]),
    addressFile: "b".repeat(VALUES.addressFile),
    addressText: "h".repeat(VALUES.addressText),
    uuid: "d".repeat(VALUES.uuid),
    link: "f".repeat(VALUES.link),
    hostIndex: 0x02020202,
    podIndex: 0x04040404,
    generation: 0x06060606,
  };
  return [first, second];
}

/** The bytes by which each mark is found: of an address those that differ in its network. */
function markBytes(marks: Marks, sharedBytes: number): Readonly<Record<ValueName, Bytes>> {
  const encoder = new TextEncoder();
  return {
    address: marks.address.slice(sharedBytes),
    addressNumber: marks.source.toReversed(),
    addressFile: encoder.encode(marks.addressFile),
    addressText: encoder.encode(marks.addressText),
    uuid: encoder.encode(marks.uuid),
    link: encoder.encode(marks.link),
    hostIndex: u32(marks.hostIndex),
    podIndex: u32(marks.podIndex),
    generation: u32(marks.generation),
  };
}

/** In the order in which they are looked for. */
const NAMES: readonly ValueName[] = [
  "addressNumber",
  "address",
  "addressFile",
  "addressText",
  "uuid",
  "link",
  "hostIndex",
  "podIndex",
  "generation",
];

/** Makes a template: finds the offsets of all values in the bytes that `make` returns. */
function templateOf(make: (marks: Marks) => Bytes, network: RejoinableNetwork): Template {
  const [one, two] = marks(network);
  const bytes = make(one), other = make(two);
  const sharedBytes = Math.floor(network.range.subnet.length / 8);
  const found = markBytes(one, sharedBytes), others = markBytes(two, sharedBytes);
  const holes: Template["holes"][number][] = [];
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === other[at]) continue;
    const name = NAMES.find((each) =>
      hasAt(bytes, at, found[each]) && hasAt(other, at, others[each])
    );
    if (name === undefined) throw new Error("a value does not stand in a message as it is");
    const { length } = found[name];
    holes.push([name, name === "address" ? sharedBytes : 0, at, length]);
    at += length - 1;
  }
  return { hex: bytes.toHex(), holes };
}

/** Whether bytes contain others at an offset. */
const hasAt = (bytes: Bytes, at: number, others: Bytes): boolean =>
  others.every((byte, i) => bytes[at + i] === byte);

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
  const elements = (marks: Marks) => elementsOf(marks, info, network, pod.dataDir);
  const ruled = network.masqueraded || forwards.length > 0;
  const program = tearDown(elements, ruled, network, pod)
    .map(([name, make]) => [name, templateOf(make, network)] as const);
  if (!fits(program, pod.holes)) return undefined;
  const records = recordPath({ dataDir: pod.dataDir, uuid: "" }).replace(/\/$/, "");
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
    ...linkTemplates(network, forwards.length > 0),
    ...ruled && {
      rules: templateOf((marks) => {
        const generation = forwards.length > 0 ? marks.generation : undefined;
        const messages = elementMessages(elements(marks), insertion);
        return encodedBatch(lastAcknowledged(messages), generation);
      }, network),
    },
    ...ruled && { noRules: templateOf((marks) => removal(elements(marks)), network) },
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

/** The messages for the pod's link, as ptp.ts sends them. */
function linkTemplates(
  network: RejoinableNetwork,
  forwarded: boolean,
): Pick<NetworkReplay, "link" | "podLink" | "podEnd" | "hostEnd"> {
  const { range, mtu, routes, json } = network;
  const ends = { podName: "eth0", namespace: POD_NAMESPACE, ...mtu !== undefined && { mtu } };
  const ipsOf = (address: IpAddress): readonly CniIp[] => {
    const ip = { address: { address, length: range.subnet.length }, gateway: range.gateway };
    return network.ipv6 ? [ip, besides(ip)] : [ip];
  };
  const makers = {
    link: ({ link }: Marks) =>
      datagram([vethRequest({ ...ends, hostName: link }), getLink(link)], true),
    podLink: () => datagram([setLink(LOOPBACK, { up: true }, "lo"), getLink(ends.podName)], true),
    podEnd: (marks: Marks) => {
      const ips = ipsOf(marks.address), index = marks.podIndex;
      return datagram([
        ...podLinkRequests({ index, name: ends.podName }, { ips }, { pointToPoint: true }),
        ...podRouteRequests(index, { ips, routes }),
      ]);
    },
    hostEnd: (marks: Marks) => {
      const ips = ipsOf(marks.address), index = marks.hostIndex;
      return datagram([
        ...guardRequests(index, ptpGuard(json, ipsOf(marks.source))),
        ...bringUpRequests(index, marks.link),
        ...hostEndRequests(index, ips),
        ...network.ipv6 && forwarded ? [answersRoute(index)] : [],
      ]);
    },
  };
  return {
    link: templateOf(makers.link, network),
    podLink: templateOf(makers.podLink, network),
    podEnd: templateOf(makers.podEnd, network),
    hostEnd: templateOf(makers.hostEnd, network),
  };
}

/** The pod's elements in nftables with these values; empty where it has no rules. */
function elementsOf(
  { address, uuid, link }: Marks,
  info: NetInfo,
  { range, ipv6 }: RejoinableNetwork,
  dataDir: string,
): readonly SetElementRef[] {
  const four = { address, length: range.subnet.length };
  const ips = [four, ...ipv6 ? [embedding(four)] : []].map(prefixText);
  const request = natRequest({ uuid, dataDir }, [{ ...info, ips }]);
  if (request === undefined) return [];
  const { target } = request;
  return natElements({ ...request, ...target && { target: { ...target, link } } }).own;
}

/** What takes the network down; see set_up.ts. */
function tearDown(
  elements: (marks: Marks) => readonly SetElementRef[],
  ruled: boolean,
  { directory }: RejoinableNetwork,
  { dataDir, address }: RecordedPod,
): readonly (readonly [HoleName, (marks: Marks) => Bytes])[] {
  const text = new TextEncoder();
  const batches = elementsCanExpire() ? [ending, removal] : [removal];
  const messages = (ruled ? batches : []).map((batch, i) =>
    [`message ${i}`, (marks: Marks) => batch(elements(marks))] as const
  );
  return [
    ...messages,
    ["file 0", ({ addressFile }) => text.encode(directory + addressFile)],
    ["file 1", ({ uuid }) => text.encode(recordPath({ dataDir, uuid }))],
    ...address === undefined
      ? []
      : [["address", ({ addressText }: Marks) => text.encode(addressText)] as const],
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
  const mark = "\u0001";
  const { ip } = info;
  const ips = info.ips.map((prefix) => prefix.replace(ip, mark));
  return `${JSON.stringify([{ ...info, ip: mark, ips }])}\n`.split(
    JSON.stringify(mark).slice(1, -1),
  );
}
