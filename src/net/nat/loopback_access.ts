/**
 * Lets connections from 127.0.0.1 and ::1 be forwarded to pods. They leave with another source address (nat_table.ts), but the
 * answers get theirs back before the kernel looks for a route, and it lets none to a loopback address in by
 * another link than `lo`, unless it is configured to.
 *
 * - IPv4: by `route_localnet` of the link. With that, packets to 127.0.0.0/8 from the pod would be let in as well. A filter
 *   of the link drops those (types/link_guard.ts), which no change of nftables takes away, and so does the chain `loopback`.
 *   Without such a filter the link is not opened: then the ports are reached by the host's other addresses.
 * - IPv6: by a local route to ::1 over the link, because a route to ::1 counts only if it is of the link by which the
 *   packet has come (`rt6_need_strict()`, net/ipv6/route.c). Packets that come to ::1 are dropped before that
 *   (`ip6_rcv_core()`), so nothing is open by this. Its metric is worse than that of the route over `lo`.
 */
import { ERRNO } from "../../linux/errno.ts";
import type { IpAddress } from "../model/address.ts";
import type { Word } from "../kernel/message.ts";
import { NetlinkError, NetlinkSocket, type Request } from "../kernel/netlink.ts";
import { NETLINK_ROUTE } from "../kernel/netlink_numbers.ts";
import { guardLink } from "../types/host_link.ts";
import { LOOPBACK_GUARD } from "../types/link_guard.ts";
import { GET_LINKS, getLink, readLink } from "../kernel/rtnetlink_link.ts";
import { addRouteBeside, deleteRoute, RT_TABLE_LOCAL } from "../kernel/rtnetlink_route.ts";

/** The route to ::1 over a link; the metric of the kernel's own is 0. */
const answers = (link: Word) => ({
  to: { address: new Uint8Array([...Array(15).fill(0), 1]), length: 128 },
  link,
  table: RT_TABLE_LOCAL,
  priority: 1024,
  local: true,
});

/** Lets answers to ::1 in by a link. */
export const answersRoute = (link: Word): Request => addRouteBeside(answers(link));

/**
 * Lets answers in by a link.
 *
 * @param addresses what connections are forwarded to
 * @param guarded whether the link already has a filter that drops packets to 127.0.0.0/8
 */
export function openLoopback(
  link: string,
  addresses: readonly IpAddress[],
  guarded = false,
): void {
  if (addresses.some((address) => address.length === 4) && (guarded || guard(link))) {
    routeLocalnet(link, "1");
  }
  if (addresses.some((address) => address.length === 16)) changeRoute(link, true);
}

/**
 * Gives a link the filter. A bridge's ports get it instead: with br_netfilter, answers have their true destination already
 * when they are the bridge's.
 *
 * @returns false where the kernel can't
 */
function guard(link: string): boolean {
  using socket = new NetlinkSocket(NETLINK_ROUTE);
  const { index, kind } = readLink(socket.ask(getLink(link)));
  const links = kind === "bridge"
    ? socket.dump("list links", GET_LINKS).map(readLink).filter(({ master }) => master === index)
    : [{ index }];
  return links.every((each) => guardLink(socket, each.index, LOOPBACK_GUARD));
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
  try {
    const { index } = readLink(socket.ask(getLink(link)));
    socket.requests([add ? answersRoute(index) : deleteRoute(answers(index))]);
  } catch (error) {
    const harmless: readonly number[] = add ? [ERRNO.EEXIST] : [ERRNO.ESRCH, ERRNO.ENODEV];
    if (!(error instanceof NetlinkError && harmless.includes(error.errno))) throw error;
  }
}
