/**
 * What a pod may send to the host by its link: a filter of classic BPF at the host's end (rtnetlink_filter.ts). Offsets are
 * those of an Ethernet frame with IPv4 (RFC 791), ARP (RFC 826) or IPv6 (RFC 8200) behind its 14 bytes.
 */
import { type Bytes, reversedBytes } from "../../linux/bytes.ts";
import type { IpAddress } from "../model/address.ts";
import { assembleBpf, type BpfStep } from "../kernel/classic_bpf.ts";
import { TC_ACT_SHOT, TC_ACT_UNSPEC } from "../kernel/rtnetlink_filter.ts";

/** What may come in by a link. */
export interface LinkGuard {
  /** The addresses that packets of a family may come from; absent where any may. */
  readonly sources4?: readonly IpAddress[];
  readonly sources6?: readonly IpAddress[];
  /**
   * `none`: no IPv6 at all. `hosts`: none of what only routers send. Advertisements and redirects would change the routes of
   * the host, or of other pods (CVE-2020-13401, CVE-2020-10749). `all`: anything.
   */
  readonly ipv6: "none" | "hosts" | "all";
}

/** What may come in by a link that the host lets answers to 127.0.0.1 in by: anything else. */
export const LOOPBACK_GUARD: LinkGuard = { ipv6: "all" };

// include/uapi/linux/if_ether.h
const ETH_P_IP = 0x0800;
const ETH_P_ARP = 0x0806;
const ETH_P_IPV6 = 0x86dd;

/** The program of a guard: its result is `TC_ACT_SHOT` for what may not come in. */
export function guardProgram(guard: LinkGuard): Bytes {
  return assembleBpf([
    { load: 2, at: 12 },
    { is: ETH_P_IP, to: "IPv4" },
    { is: ETH_P_ARP, to: "ARP" },
    { is: ETH_P_IPV6, to: "IPv6" },
    { goto: "pass" },
    ...guardIpv4(guard),
    ...guardIpv6(guard),
    { label: "pass" },
    { result: TC_ACT_UNSPEC },
    { label: "drop" },
    { result: TC_ACT_SHOT },
  ]);
}

/** The kernel drops packets of 127.0.0.0/8 by itself, unless a link has `route_localnet`. */
function guardIpv4({ sources4: own }: LinkGuard): readonly BpfStep[] {
  const LOOPBACK = 127;
  const isOwn = (at: number): readonly BpfStep[] =>
    own === undefined ? [{ goto: "pass" }] : [
      { load: 4, at },
      ...own.map((address): BpfStep => ({ is: word(address, 0), to: "pass" })),
      // Who has no address yet, or asks whether somebody has it.
      { is: 0, to: "pass" },
      { goto: "drop" },
    ];
  return [
    { label: "IPv4" },
    { load: 1, at: 30 },
    { is: LOOPBACK, to: "drop" },
    { load: 1, at: 26 },
    { is: LOOPBACK, to: "drop" },
    ...isOwn(26),
    { label: "ARP" },
    ...isOwn(28),
  ];
}

function guardIpv6({ sources6: own, ipv6 }: LinkGuard): readonly BpfStep[] {
  if (ipv6 === "none") return [{ label: "IPv6" }, { goto: "drop" }];
  const others: readonly BpfStep[] = own === undefined ? [{ goto: "pass" }] : [
    ...[new Uint8Array(16), ...own].flatMap((address, i) => isSource(address, `not source ${i}`)),
    { goto: "drop" },
  ];
  if (ipv6 === "all") return [{ label: "IPv6" }, ...others];
  return [
    { label: "IPv6" },
    // fe80::/10
    { load: 4, at: 22 },
    { mask: 0xffc00000 },
    { is: 0xfe800000, to: "link-local" },
    ...others,
    ...guardRouters(),
  ];
}

/** Passes what comes from an address. */
function isSource(address: Bytes, not: string): readonly BpfStep[] {
  return [
    ...[0, 4, 8, 12].flatMap((offset): BpfStep[] => [
      { load: 4, at: 22 + offset },
      { isNot: word(address, offset), to: not },
    ]),
    { goto: "pass" },
    { label: not },
  ];
}

/** What routers send comes from link-local addresses, and nobody takes it from others (RFC 4861, sections 6.1.2 and 8.1). */
function guardRouters(): readonly BpfStep[] {
  const HOP_BY_HOP = 0;
  const ICMPV6 = 58;
  // Headers that could stand before ICMPv6 to hide it (RFC 7113): routing, fragment, authentication, options, mobility, HIP, shim6.
  const OTHERS = [43, 44, 51, 60, 135, 139, 140];
  const ADVERTISEMENT = 134;
  const REDIRECT = 137;
  return [
    { label: "link-local" },
    { load: 1, at: 20 },
    { is: ICMPV6, to: "ICMPv6" },
    ...OTHERS.map((header): BpfStep => ({ is: header, to: "drop" })),
    { isNot: HOP_BY_HOP, to: "pass" },
    // As reports of multicast listeners have it (RFC 3810): eight bytes, then ICMPv6.
    { load: 2, at: 54 },
    { isNot: ICMPV6 << 8, to: "drop" },
    { load: 1, at: 62 },
    { is: ADVERTISEMENT, to: "drop" },
    { is: REDIRECT, to: "drop" },
    { goto: "pass" },
    { label: "ICMPv6" },
    { load: 1, at: 54 },
    { is: ADVERTISEMENT, to: "drop" },
    { is: REDIRECT, to: "drop" },
  ];
}

/** Four bytes as the number that a load of them gives: in the order of the machine, which is little-endian. */
const word = (address: Bytes, at: number): Bytes => reversedBytes(address, at, 4);
