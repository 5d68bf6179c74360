/**
 * Lets connections from 127.0.0.1 and ::1 be forwarded to pods. They leave with another source address (nat_table.ts), but the
 * answers get theirs back before the kernel looks for a route, and it lets none to a loopback address in by
 * another link than `lo`, unless it is told to.
 *
 * - IPv4: by `route_localnet` of the link. With that, packets to 127.0.0.0/8 from the pod would be let in as well; the
 *   chain `loopback` drops those.
 * - IPv6: by a local route to ::1 over the link, because a route to ::1 counts only if it is of the link by which the
 *   packet has come (`rt6_need_strict()`, net/ipv6/route.c). Packets that come to ::1 are dropped before that
 *   (`ip6_rcv_core()`), so nothing is open by this. Its metric is worse than that of the route over `lo`.
 */
import { ERRNO } from "../linux/errno.ts";
import { AF_INET6, type IpAddress } from "./address.ts";
import {
  attribute,
  type Bytes,
  joined,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readU32,
  request,
  text,
  u32,
  u8,
} from "./message.ts";
import { NETLINK_ROUTE, NetlinkError, NetlinkSocket } from "./netlink.ts";

// include/uapi/linux/rtnetlink.h
const RTM_GETLINK = 18;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RT_TABLE_LOCAL = 255;
const RTPROT_STATIC = 4;
const RTN_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_PRIORITY = 6;
const IFLA_IFNAME = 3;

/** That of the kernel's own route is 0. */
const METRIC = 1024;

const LOOPBACK_V6 = new Uint8Array([...Array(15).fill(0), 1]);

/**
 * Lets answers in by a link.
 *
 * @param addresses what connections are forwarded to
 */
export function openLoopback(link: string, addresses: readonly IpAddress[]): void {
  if (addresses.some((address) => address.length === 4)) routeLocalnet(link, "1");
  if (addresses.some((address) => address.length === 16)) changeRoute(link, true);
}

/** Opens a link again that should not have been closed; that it has gone, or has no IPv6, is none of our business. */
export function reopenLoopback(link: string): void {
  for (const size of [4, 16]) {
    try {
      openLoopback(link, [new Uint8Array(size)]);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof NetlinkError)) throw error;
    }
  }
}

/** Takes back what {@linkcode openLoopback} did. No error where there is no such link. */
export function closeLoopback(link: string): void {
  try {
    routeLocalnet(link, "0");
    changeRoute(link, false);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function routeLocalnet(link: string, value: "0" | "1"): void {
  Deno.writeTextFileSync(`/proc/sys/net/ipv4/conf/${link}/route_localnet`, value, {
    create: false,
  });
}

/** Adds or deletes the local route to ::1; no error where it is there, or not. */
function changeRoute(link: string, add: boolean): void {
  using socket = new NetlinkSocket(NETLINK_ROUTE);
  const what = `the route of answers to ::1 over ${link}`;
  try {
    const index = linkIndex(socket, link);
    socket.request(`${add ? "add" : "delete"} ${what}`, routeMessage(index, add));
  } catch (error) {
    const harmless = add ? [ERRNO.EEXIST] : [ERRNO.ESRCH, ENODEV];
    if (!(error instanceof NetlinkError && harmless.includes(error.errno))) throw error;
  }
}

// include/uapi/asm-generic/errno-base.h
const ENODEV = 19;

function linkIndex(socket: NetlinkSocket, link: string): number {
  const name = attribute(IFLA_IFNAME, text(link));
  const answers = socket.request(`find link ${link}`, request(RTM_GETLINK, 0, ifinfomsg, name));
  return readU32(answers[0].body.subarray(4, 8)); // ifi_index
}

/** `struct ifinfomsg` */
const ifinfomsg: Bytes = new Uint8Array(16);

function routeMessage(link: number, add: boolean): Message {
  // struct rtmsg: family, lengths, type of service, table, protocol, scope, type, flags
  const fields = [AF_INET6, 128, 0, 0, RT_TABLE_LOCAL, RTPROT_STATIC, 0, RTN_LOCAL];
  return request(
    add ? RTM_NEWROUTE : RTM_DELROUTE,
    add ? NLM_F_CREATE | NLM_F_EXCL : 0,
    joined(...fields.map(u8), u32(0)),
    attribute(RTA_DST, LOOPBACK_V6),
    attribute(RTA_OIF, u32(link)),
    attribute(RTA_PRIORITY, u32(METRIC)),
  );
}
