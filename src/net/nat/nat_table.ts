/**
 * The table `inet rkt`: chains and rules that stay the same, and sets in which pods have elements. `nft list table inet
 * rkt` shows it; what nft would make of the same in its own language stands in docs/use/networking.md.
 */
import type { Bytes } from "../../linux/bytes.ts";
import {
  newChain,
  newRule,
  newTable,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
} from "../kernel/nft.ts";
import {
  compare,
  connectionStatus,
  destinationNat,
  destinationType,
  drop,
  inSet,
  jump,
  lookUp,
  mask,
  masquerade,
  meta,
  NFT_REG32_00,
  notInSet,
  payload,
} from "../kernel/nft_expression.ts";
import {
  type DataType,
  IFNAME,
  INET_PROTO,
  INET_SERVICE,
  IPV4_ADDR,
  IPV6_ADDR,
  newSet,
  type SetSpec,
} from "../kernel/nft_set.ts";
import { be32, type Message, u32, u8 } from "../kernel/message.ts";

/** The name of the table. */
export const TABLE = "rkt";

/** What differs between the families: where addresses stand in the header, which are multicast. */
interface Family {
  readonly protocol: number;
  readonly address: DataType;
  readonly sourceAt: number;
  readonly destinationAt: number;
  /** The bits of the first bytes that tell multicast addresses, and what they are then. */
  readonly multicast: { readonly mask: Bytes; readonly bits: Bytes };
}

const FAMILIES: Readonly<Record<4 | 6, Family>> = {
  4: {
    protocol: NFPROTO_IPV4,
    address: IPV4_ADDR,
    sourceAt: 12,
    destinationAt: 16,
    multicast: { mask: be32(0xf0000000), bits: be32(0xe0000000) },
  },
  6: {
    protocol: NFPROTO_IPV6,
    address: IPV6_ADDR,
    sourceAt: 8,
    destinationAt: 24,
    multicast: { mask: u8(0xff), bits: u8(0xff) },
  },
};

/** What a set is for. */
export type SetPurpose = "forwards" | "forwards_at" | "masqueraded" | "direct" | "hairpin";

/** The sets of a family. */
function familySets(version: 4 | 6): Readonly<Record<SetPurpose, SetSpec>> {
  const { address } = FAMILIES[version];
  const port = [INET_PROTO, INET_SERVICE];
  const value = [address, INET_SERVICE];
  const pair = { key: [address, address], ranges: true };
  return {
    // protocol . port of the host → address . port of the pod
    forwards: { name: `forwards${version}`, key: port, value },
    // the same for one address of the host
    forwards_at: { name: `forwards_at${version}`, key: [address, ...port], value },
    // pods whose packets leave with the host's address
    masqueraded: { name: `masqueraded${version}`, key: [address] },
    // but not those to here: pod . network
    direct: { name: `direct${version}`, ...pair },
    // source . pod: when forwarded to the pod, the answer must come back by way of the host
    hairpin: { name: `hairpin${version}`, ...pair },
  };
}

/** The links with `route_localnet`. The kernel lets packets to 127.0.0.0/8 in from them, so a rule must drop those. */
const LINKS: SetSpec = { name: "links", key: [IFNAME] };

const V4 = familySets(4);
const V6 = familySets(6);

/** The sets of both families. */
export const SETS: readonly SetSpec[] = [...Object.values(V4), ...Object.values(V6), LINKS];

/** The name of the set of a purpose, for addresses of a family. */
export const setName = (purpose: SetPurpose, address: Bytes): string =>
  (address.length === 4 ? V4 : V6)[purpose].name;

/** The name of the set of links. */
export const LINKS_SET = LINKS.name;

/** The first register; a register of four bytes is one number further. */
const R = NFT_REG32_00;

/** `meta nfproto ipv4` */
const family = ({ protocol }: Family): readonly Bytes[] => [
  meta("nfproto", R),
  compare(R, "=", u8(protocol)),
];

/** `ip saddr . ip daddr`, or one of them. */
function addresses(
  { address: { size }, sourceAt, destinationAt }: Family,
  ...which: readonly ("source" | "destination")[]
): readonly Bytes[] {
  return which.map((each, i) =>
    payload("network", each === "source" ? sourceAt : destinationAt, size, R + i * size / 4)
  );
}

/** `meta l4proto . th dport`: TCP and UDP have the port at the same place, and no other protocol is in the maps. */
const protocolAndPort = (register: number): readonly Bytes[] => [
  meta("l4proto", register),
  payload("transport", 2, 2, register + 1),
];

/** `dnat ip to [ip daddr .] meta l4proto . th dport map @forwards4` */
function forwardRule(version: 4 | 6, purpose: "forwards" | "forwards_at"): readonly Bytes[] {
  const of = FAMILIES[version];
  const words = of.address.size / 4;
  const to = purpose === "forwards" ? [] : addresses(of, "destination");
  return [
    ...family(of),
    ...to,
    ...protocolAndPort(R + (to.length === 0 ? 0 : words)),
    lookUp(familySets(version)[purpose].name, R, R),
    destinationNat(of.protocol, R, R + words),
  ];
}

/** `ct status dnat ip saddr . ip daddr @hairpin4 masquerade` */
function hairpinRule(version: 4 | 6): readonly Bytes[] {
  const of = FAMILIES[version];
  const IPS_DST_NAT = 1 << 5; // include/uapi/linux/netfilter/nf_conntrack_common.h
  return [
    connectionStatus(R),
    mask(R, u32(IPS_DST_NAT)),
    compare(R, "≠", u32(0)),
    ...family(of),
    ...addresses(of, "source", "destination"),
    inSet(familySets(version).hairpin.name, R),
    masquerade(),
  ];
}

/** `ip saddr @masqueraded4 ip daddr != 224.0.0.0/4 ip saddr . ip daddr != @direct4 masquerade` */
function masqueradeRule(version: 4 | 6): readonly Bytes[] {
  const of = FAMILIES[version];
  const sets = familySets(version);
  return [
    ...family(of),
    ...addresses(of, "source"),
    inSet(sets.masqueraded.name, R),
    payload("network", of.destinationAt, of.multicast.mask.length, R),
    mask(R, of.multicast.mask),
    compare(R, "≠", of.multicast.bits),
    ...addresses(of, "source", "destination"),
    notInSet(sets.direct.name, R),
    masquerade(),
  ];
}

/** `iifname @links ip daddr 127.0.0.0/8 drop` */
const loopbackRule: readonly Bytes[] = [
  meta("iifname", R),
  inSet(LINKS.name, R),
  ...family(FAMILIES[4]),
  payload("network", FAMILIES[4].destinationAt, 1, R),
  compare(R, "=", u8(127)),
  drop(),
];

/** `fib daddr type local jump forwards` */
const forwardsJump: readonly Bytes[] = [
  destinationType(R),
  compare(R, "=", u32(2)), // RTN_LOCAL, include/uapi/linux/rtnetlink.h
  jump("forwards"),
];

// include/uapi/linux/netfilter_ipv4.h, enum nf_ip_hook_priorities
const NF_IP_PRI_RAW = -300;
const NF_IP_PRI_NAT_DST = -100;
const NF_IP_PRI_NAT_SRC = 100;

/** The messages that make the table, its sets, chains and rules. They fail with `EEXIST` where its chains are there. */
export function tableMessages(): readonly Message[] {
  const nat = (hook: number, priority: number) => ({ type: "nat" as const, hook, priority });
  const rule = (chain: string, expressions: readonly Bytes[]) => newRule(TABLE, chain, expressions);
  const raw = { type: "filter" as const, hook: NF_INET_PRE_ROUTING, priority: NF_IP_PRI_RAW };
  return [
    newTable(TABLE),
    ...SETS.map((set, i) => newSet(TABLE, set, i + 1)),
    newChain(TABLE, "forwards"),
    newChain(TABLE, "loopback", raw),
    newChain(TABLE, "prerouting", nat(NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST)),
    newChain(TABLE, "output", nat(NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST)),
    newChain(TABLE, "postrouting", nat(NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC)),
    rule("forwards", forwardRule(4, "forwards_at")),
    rule("forwards", forwardRule(6, "forwards_at")),
    rule("forwards", forwardRule(4, "forwards")),
    rule("forwards", forwardRule(6, "forwards")),
    rule("loopback", loopbackRule),
    rule("prerouting", forwardsJump),
    rule("output", forwardsJump),
    rule("postrouting", hairpinRule(4)),
    rule("postrouting", hairpinRule(6)),
    rule("postrouting", masqueradeRule(4)),
    rule("postrouting", masqueradeRule(6)),
  ];
}
