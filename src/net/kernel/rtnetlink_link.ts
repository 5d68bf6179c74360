/** Requests to rtnetlink for links, and its answers (rtnetlink(7); include/uapi/linux/if_link.h). */
import { AF_BRIDGE, IFF_UP } from "../../linux/early_constants.ts";
import { type Bytes, concat } from "../../linux/bytes.ts";
import { AF_INET, family, type IpAddress } from "../model/address.ts";
import {
  attribute,
  attributes,
  be16,
  type Message,
  nested,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readText,
  readU32,
  type Received,
  request,
  text,
  u16,
  u32,
  u8,
  type Word,
} from "./message.ts";
import type { Request } from "./netlink.ts";

// include/uapi/linux/rtnetlink.h
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;

// include/uapi/linux/if_link.h
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_FD = 28;
const IFLA_IFALIAS = 20;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_DATA = 5;
const VETH_INFO_PEER = 1;

// include/uapi/linux/if.h
const IFF_PROMISC = 0x100;

/** A link that is to be made. */
export interface NewLink {
  readonly name: string;
  readonly up?: boolean;
  readonly mtu?: number;
  /** Hardware address. */
  readonly mac?: Bytes;
  /** Index of the bridge that the link becomes a port of. */
  readonly master?: Word;
  /** Index of the link that this one lies on. */
  readonly parent?: number;
  /** Descriptor of the network namespace that the link comes to be in. */
  readonly namespace?: number;
  /** What `ip link` shows as its alias; set by {@linkcode setLink} only. */
  readonly alias?: string;
  readonly promiscuous?: boolean;
}

/** `struct ifinfomsg` */
function linkHeader(index: Word, flags = 0, change = 0, family = 0): Bytes {
  return concat(u8(family), new Uint8Array(3), u32(index), u32(flags), u32(change));
}

function linkFlags({ up, promiscuous }: Omit<NewLink, "name">): readonly [number, number] {
  const bit = (on: boolean | undefined, flag: number) => on === true ? flag : 0;
  const changed = (on: boolean | undefined, flag: number) => on === undefined ? 0 : flag;
  return [
    bit(up, IFF_UP) | bit(promiscuous, IFF_PROMISC),
    changed(up, IFF_UP) | changed(promiscuous, IFF_PROMISC),
  ];
}

function linkAttributes(link: Partial<NewLink>): Bytes {
  const { name, mtu, mac, master, parent, namespace, alias } = link;
  return concat(
    ...mtu === undefined ? [] : [attribute(IFLA_MTU, u32(mtu))],
    ...mac === undefined ? [] : [attribute(IFLA_ADDRESS, mac)],
    ...name === undefined ? [] : [attribute(IFLA_IFNAME, text(name))],
    ...parent === undefined ? [] : [attribute(IFLA_LINK, u32(parent))],
    ...master === undefined ? [] : [attribute(IFLA_MASTER, u32(master))],
    ...namespace === undefined ? [] : [attribute(IFLA_NET_NS_FD, u32(namespace))],
    ...alias === undefined ? [] : [attribute(IFLA_IFALIAS, text(alias))],
  );
}

/**
 * Makes a link.
 *
 * @param kind `bridge`, `veth`, …
 * @param data what is particular to the kind; see {@linkcode veth} and the others
 */
export function addLink(kind: string, link: NewLink, ...data: readonly Bytes[]): Request {
  const info = [attribute(IFLA_INFO_KIND, new TextEncoder().encode(kind))];
  if (data.length > 0) info.push(attribute(IFLA_INFO_DATA, concat(...data)));
  const message = request(
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL,
    linkHeader(0, ...linkFlags(link)),
    linkAttributes(link),
    attribute(IFLA_LINKINFO, concat(...info)),
  );
  return { doing: `make ${kind} link ${link.name}`, message };
}

/** The other end of a veth. It can't be up from the start. */
export function veth(peer: NewLink): Bytes {
  const header = linkHeader(0, ...linkFlags(peer));
  return attribute(VETH_INFO_PEER, concat(header, linkAttributes(peer)));
}

/** How a macvlan's links reach each other (`MACVLAN_MODE_*`). */
export const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

/** A macvlan's mode. */
export const macvlan = (mode: keyof typeof MACVLAN_MODES): Bytes =>
  attribute(1, u32(MACVLAN_MODES[mode]));

/** On which layer an ipvlan works (`IPVLAN_MODE_*`). */
export const IPVLAN_MODES = { l2: 0, l3: 1, l3s: 2 } as const;

/** An ipvlan's mode; its links reach each other (no `IPVLAN_F_*`). */
export const ipvlan = (mode: keyof typeof IPVLAN_MODES): Bytes =>
  concat(attribute(1, u16(IPVLAN_MODES[mode])), attribute(2, u16(0)));

/** A VLAN's number. */
export const vlan = (id: number): Bytes => attribute(1, u16(id));

/** A VXLAN's number, its own address, and the UDP port; it learns no addresses by itself. */
export function vxlan(id: number, local: IpAddress, port: number): Bytes {
  const address = attribute(family(local) === AF_INET ? 4 : 17, local);
  return concat(attribute(1, u32(id)), address, attribute(7, u8(0)), attribute(15, be16(port)));
}

/** Changes a link. */
export function setLink(index: Word, changes: Partial<NewLink>, name = `${index}`): Request {
  const header = linkHeader(index, ...linkFlags(changes));
  const message = request(RTM_NEWLINK, 0, header, linkAttributes(changes));
  return { doing: `set up link ${name}`, message };
}

const IFLA_AF_SPEC = 26;
const IFLA_INET_CONF = 1;

/** Settings of IPv4 of a link, below /proc/sys/net/ipv4/conf: `IPV4_DEVCONF_…` (include/uapi/linux/ip.h). */
export const IPV4_CONF = {
  proxyArp: 3,
  acceptRedirects: 4,
  sendRedirects: 6,
  rpFilter: 8,
  acceptSourceRoute: 9,
  routeLocalnet: 26,
} as const;

/** Changes settings of IPv4 of a link; each is one of {@linkcode IPV4_CONF}. */
export function setIpv4Conf(
  index: Word,
  settings: readonly (readonly [setting: number, value: number])[],
  name = `${index}`,
): Request {
  const values = settings.map(([setting, value]) => attribute(setting, u32(value)));
  const spec = nested(IFLA_AF_SPEC, nested(AF_INET, nested(IFLA_INET_CONF, ...values)));
  const message = request(RTM_SETLINK, 0, linkHeader(index), spec);
  return { doing: `set up IPv4 of link ${name}`, message };
}

const IFLA_PROTINFO = 12;
const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_ISOLATED = 33;
const IFLA_BRPORT_LOCKED = 39;

/** How a bridge treats one of its ports. */
export interface BridgePort {
  /** Whether packets go back through the port that they came from. */
  readonly hairpin?: boolean;
  /** Whether packets go to and from ports that are not isolated only. */
  readonly isolated?: boolean;
  /** Whether the port accepts only hardware addresses that are in the bridge's table. Since Linux 5.18. */
  readonly locked?: boolean;
}

/** Changes how a bridge treats a port. */
export function setBridgePort(index: Word, { hairpin, isolated, locked }: BridgePort): Request {
  const header = linkHeader(index, 0, 0, AF_BRIDGE);
  const on = (type: number, value: boolean | undefined) =>
    value === undefined ? [] : [attribute(type, u8(value ? 1 : 0))];
  const port = nested(
    IFLA_PROTINFO,
    ...on(IFLA_BRPORT_MODE, hairpin),
    ...on(IFLA_BRPORT_ISOLATED, isolated),
    ...on(IFLA_BRPORT_LOCKED, locked),
  );
  return { doing: "set up the port of a bridge", message: request(RTM_SETLINK, 0, header, port) };
}

/** What an answer about a bridge has that has an alias: attributes, one in the other. */
export const bridgeAttributes = (alias: string): readonly Bytes[] => [
  attribute(IFLA_IFALIAS, text(alias)),
  attribute(IFLA_INFO_KIND, text("bridge")),
];

/** Whether a link is a locked port of a bridge. Kernels before 5.18 have no such attribute: false. */
export function isLocked({ body }: Received): boolean {
  const info = attributes(attributes(body.subarray(16)).get(IFLA_LINKINFO) ?? NONE);
  const port = attributes(info.get(IFLA_INFO_SLAVE_DATA) ?? NONE);
  return port.get(IFLA_BRPORT_LOCKED)?.[0] === 1;
}

/** Removes a link. */
export function deleteLink(name: string): Request {
  const message = request(RTM_DELLINK, 0, linkHeader(0), attribute(IFLA_IFNAME, text(name)));
  return { doing: `remove link ${name}`, message };
}

/** Asks for a link by its name. */
export function getLink(name: string): Request {
  const message = request(RTM_GETLINK, 0, linkHeader(0), attribute(IFLA_IFNAME, text(name)));
  return { doing: `find link ${name}`, message };
}

/** Asks for a link by its index. */
export function getLinkAt(index: Word): Request {
  return { doing: `find link ${index}`, message: request(RTM_GETLINK, 0, linkHeader(index)) };
}

/** Asks for all links. */
export const GET_LINKS: Message = request(RTM_GETLINK, 0, linkHeader(0));

/** A link that is there. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mac: Bytes;
  readonly mtu: number;
  readonly up: boolean;
  /** `bridge`, `veth`, …; empty for real devices and the loopback. */
  readonly kind: string;
  readonly alias: string;
  /** Index of the bridge that it is a port of; 0 for none. */
  readonly master: number;
}

const NONE = new Uint8Array();
const ZERO = new Uint8Array(4);

/** Reads an answer about a link. */
export function readLink({ body }: Received): Link {
  const at = attributes(body.subarray(16));
  const info = attributes(at.get(IFLA_LINKINFO) ?? NONE);
  return {
    index: readU32(body.subarray(4)),
    name: readText(at.get(IFLA_IFNAME) ?? NONE),
    mac: at.get(IFLA_ADDRESS) ?? NONE,
    mtu: readU32(at.get(IFLA_MTU) ?? ZERO),
    up: (readU32(body.subarray(8)) & IFF_UP) !== 0,
    kind: readText(info.get(IFLA_INFO_KIND) ?? NONE),
    alias: readText(at.get(IFLA_IFALIAS) ?? NONE),
    master: readU32(at.get(IFLA_MASTER) ?? ZERO),
  };
}
