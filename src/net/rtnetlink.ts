/**
 * Requests to rtnetlink, and what its answers say: links, addresses, routes, rules, neighbours (rtnetlink(7);
 * include/uapi/linux/{rtnetlink,if_link,if_addr,fib_rules,neighbour}.h).
 */
import { AF_INET, AF_INET6, family, type IpAddress, type IpPrefix, prefixText } from "./address.ts";
import {
  attribute,
  attributes,
  be16,
  type Bytes,
  joined,
  type Message,
  nested,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  readText,
  readU32,
  type Received,
  request,
  text,
  u16,
  u32,
  u8,
} from "./message.ts";
import type { Request } from "./netlink.ts";

// include/uapi/linux/rtnetlink.h
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTM_NEWNEIGH = 28;
const RTM_NEWRULE = 32;
const RT_TABLE_UNSPEC = 0;
const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const FR_ACT_TO_TBL = 1;

/** How far away what a route leads to is. */
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
const RT_SCOPE_NOWHERE = 255;

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
const VETH_INFO_PEER = 1;

// include/uapi/linux/if.h
const IFF_UP = 1;
const IFF_PROMISC = 0x100;

/** A link that is to be made. */
export interface NewLink {
  readonly name: string;
  readonly up?: boolean;
  readonly mtu?: number;
  /** Hardware address. */
  readonly mac?: Bytes;
  /** Index of the bridge that the link becomes a port of. */
  readonly master?: number;
  /** Index of the link that this one lies on. */
  readonly parent?: number;
  /** Descriptor of the network namespace that the link comes to be in. */
  readonly namespace?: number;
  /** What `ip link` shows as its alias; set by {@linkcode setLink} only. */
  readonly alias?: string;
  readonly promiscuous?: boolean;
}

/** `struct ifinfomsg` */
function linkHeader(index: number, flags = 0, change = 0): Bytes {
  return joined(new Uint8Array(4), u32(index), u32(flags), u32(change));
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
  return joined(
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
  if (data.length > 0) info.push(attribute(IFLA_INFO_DATA, joined(...data)));
  const message = request(
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL,
    linkHeader(0, ...linkFlags(link)),
    linkAttributes(link),
    attribute(IFLA_LINKINFO, joined(...info)),
  );
  return { doing: `make ${kind} link ${link.name}`, message };
}

/** The other end of a veth. It can't be up from the start. */
export function veth(peer: NewLink): Bytes {
  const header = linkHeader(0, ...linkFlags(peer));
  return attribute(VETH_INFO_PEER, joined(header, linkAttributes(peer)));
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
  joined(attribute(1, u16(IPVLAN_MODES[mode])), attribute(2, u16(0)));

/** A VLAN's number. */
export const vlan = (id: number): Bytes => attribute(1, u16(id));

/** A VXLAN's number, its own address, and the UDP port; it learns no addresses by itself. */
export function vxlan(id: number, local: IpAddress, port: number): Bytes {
  const address = attribute(family(local) === AF_INET ? 4 : 17, local);
  return joined(attribute(1, u32(id)), address, attribute(7, u8(0)), attribute(15, be16(port)));
}

/** Changes a link. */
export function setLink(index: number, changes: Partial<NewLink>, name = `${index}`): Request {
  const header = linkHeader(index, ...linkFlags(changes));
  const message = request(RTM_NEWLINK, 0, header, linkAttributes(changes));
  return { doing: `set up link ${name}`, message };
}

const AF_BRIDGE = 7;
const IFLA_PROTINFO = 12;
const IFLA_BRPORT_MODE = 4;

/** Lets a bridge send packets back through the port that they came from, or not. */
export function setHairpin(index: number, on: boolean): Request {
  const header = joined(u8(AF_BRIDGE), linkHeader(index).slice(1));
  const port = nested(IFLA_PROTINFO, attribute(IFLA_BRPORT_MODE, u8(on ? 1 : 0)));
  return { doing: "set the hairpin mode", message: request(RTM_SETLINK, 0, header, port) };
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
export function getLinkAt(index: number): Request {
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

// include/uapi/linux/if_addr.h
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_NOPREFIXROUTE = 0x200;

/** How a link gets an address. */
export interface AddressOptions {
  readonly broadcast?: IpAddress;
  /** Whether the kernel makes no route to the address's network. */
  readonly noRoute?: boolean;
}

/**
 * Gives a link an address. That nobody else has it was seen to when it was allocated, so an IPv6 address is usable at
 * once (`IFA_F_NODAD`).
 */
export function addAddress(index: number, prefix: IpPrefix, options: AddressOptions = {}): Request {
  const { address } = prefix;
  const { broadcast, noRoute } = options;
  const detection = family(address) === AF_INET6 ? IFA_F_NODAD : 0;
  const flags = [
    ...noRoute === true ? [attribute(IFA_FLAGS, u32(IFA_F_NOPREFIXROUTE | detection))] : [],
    ...broadcast === undefined ? [] : [attribute(IFA_BROADCAST, broadcast)],
  ];
  const message = request(
    RTM_NEWADDR,
    NLM_F_CREATE | NLM_F_EXCL,
    addressHeader(index, prefix, detection),
    ...localAddress(address),
    ...flags,
  );
  return { doing: `add address ${prefixText(prefix)}`, message };
}

/** Takes an address from a link. */
export function deleteAddress(index: number, prefix: IpPrefix): Request {
  const header = addressHeader(index, prefix, 0);
  const message = request(RTM_DELADDR, 0, header, ...localAddress(prefix.address));
  return { doing: `remove address ${prefixText(prefix)}`, message };
}

/** `struct ifaddrmsg` */
const addressHeader = (index: number, { address, length }: IpPrefix, flags: number): Bytes =>
  joined(u8(family(address)), u8(length), u8(flags), u8(0), u32(index));

const localAddress = (address: IpAddress): readonly Bytes[] => [
  attribute(IFA_LOCAL, address),
  attribute(IFA_ADDRESS, address),
];

/** Asks for all addresses. */
export const GET_ADDRESSES: Message = request(RTM_GETADDR, 0, new Uint8Array(8));

/** An address of a link. */
export interface LinkAddress {
  readonly index: number;
  readonly prefix: IpPrefix;
}

/** Reads an answer about an address. */
export function readAddress({ body }: Received): LinkAddress {
  const at = attributes(body.subarray(8));
  const address = at.get(IFA_LOCAL) ?? at.get(IFA_ADDRESS) ?? ZERO;
  return { index: readU32(body.subarray(4)), prefix: { address, length: body[1] } };
}

// include/uapi/linux/rtnetlink.h
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;

/** A route. */
export interface Route {
  readonly to: IpPrefix;
  readonly via?: IpAddress;
  /** Index of the link. */
  readonly link?: number;
  readonly scope?: number;
  /** The address that packets get as their source. */
  readonly source?: IpAddress;
  readonly priority?: number;
  readonly table?: number;
  /** Whether what is sent there is for this host. */
  readonly local?: boolean;
}

/**
 * Adds a route.
 *
 * @param replace whether one to the same network makes way for it, where it would be an error else
 */
export function addRoute(route: Route, replace = false): Request {
  const flags = NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);
  return {
    doing: `add route to ${prefixText(route.to)}`,
    message: routeMessage(RTM_NEWROUTE, flags, route),
  };
}

/** Removes a route. */
export function deleteRoute(route: Route): Request {
  return {
    doing: `remove route to ${prefixText(route.to)}`,
    message: routeMessage(RTM_DELROUTE, 0, { scope: RT_SCOPE_NOWHERE, ...route }),
  };
}

function routeMessage(type: number, flags: number, route: Route): Message {
  const { to, via, link, source, priority, table } = route;
  const scope = route.scope ??
    (via === undefined && family(to.address) === AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
  const wide = table !== undefined && table > 255;
  return request(
    type,
    flags,
    joined(
      u8(family(to.address)),
      u8(to.length),
      u8(0),
      u8(0),
      u8(wide ? RT_TABLE_UNSPEC : table ?? RT_TABLE_MAIN),
      u8(type === RTM_DELROUTE ? 0 : RTPROT_BOOT),
      u8(scope),
      u8(type === RTM_DELROUTE ? 0 : route.local === true ? RTN_LOCAL : RTN_UNICAST),
      u32(0),
    ),
    ...to.length === 0 ? [] : [attribute(RTA_DST, to.address)],
    ...via === undefined ? [] : [attribute(RTA_GATEWAY, via)],
    ...link === undefined ? [] : [attribute(RTA_OIF, u32(link))],
    ...source === undefined ? [] : [attribute(RTA_PREFSRC, source)],
    ...priority === undefined ? [] : [attribute(RTA_PRIORITY, u32(priority))],
    ...wide ? [attribute(RTA_TABLE, u32(table))] : [],
  );
}

/** Asks for all routes of a family. */
export function getRoutes(of: number): Message {
  return request(RTM_GETROUTE, 0, joined(u8(of), new Uint8Array(11)));
}

/** Reads an answer about a route. */
export function readRoute({ body }: Received): Route {
  const at = attributes(body.subarray(12));
  const size = body[0] === AF_INET6 ? 16 : 4;
  const [via, link, source] = [at.get(RTA_GATEWAY), at.get(RTA_OIF), at.get(RTA_PREFSRC)];
  return {
    to: { address: at.get(RTA_DST) ?? new Uint8Array(size), length: body[1] },
    scope: body[6],
    table: readU32(at.get(RTA_TABLE) ?? u32(body[4])),
    ...via !== undefined && { via },
    ...link !== undefined && { link: readU32(link) },
    ...source !== undefined && { source },
  };
}

// include/uapi/linux/fib_rules.h
const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;

/** Which table routes are looked up in, by where packets come from or go to. */
export interface Rule {
  readonly from?: IpPrefix;
  readonly to?: IpPrefix;
  readonly table: number;
  readonly priority?: number;
}

/** Adds a rule. */
export function addRule({ from, to, table, priority }: Rule): Request {
  const of = from ?? to;
  const wide = table > 255;
  const message = request(
    RTM_NEWRULE,
    NLM_F_CREATE | NLM_F_EXCL,
    joined(
      u8(of === undefined ? AF_INET : family(of.address)),
      u8(to?.length ?? 0),
      u8(from?.length ?? 0),
      u8(0),
      u8(wide ? RT_TABLE_UNSPEC : table),
      new Uint8Array(2),
      u8(FR_ACT_TO_TBL),
      u32(0),
    ),
    ...wide ? [attribute(FRA_TABLE, u32(table))] : [],
    ...from === undefined ? [] : [attribute(FRA_SRC, from.address)],
    ...to === undefined ? [] : [attribute(FRA_DST, to.address)],
    ...priority === undefined ? [] : [attribute(FRA_PRIORITY, u32(priority))],
  );
  return { doing: `add rule for table ${table}`, message };
}

// include/uapi/linux/neighbour.h
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_PERMANENT = 0x80;

/** Says which hardware address a neighbour has, for good. */
export function addNeighbour(index: number, address: IpAddress, mac: Bytes): Request {
  const header = joined(
    u8(family(address)),
    new Uint8Array(3),
    u32(index),
    u16(NUD_PERMANENT),
    u16(0),
  );
  const message = request(
    RTM_NEWNEIGH,
    NLM_F_CREATE | NLM_F_REPLACE,
    header,
    attribute(NDA_DST, address),
    attribute(NDA_LLADDR, mac),
  );
  return { doing: "add a neighbour", message };
}
