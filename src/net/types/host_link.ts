/**
 * The host's ends of what leads to pods, and the bridges between them: what is behind them is not trusted. All are made down,
 * get these settings, and only then come up. The way of a cached start sends the same messages (pod/record_rejoin.ts).
 */
import { printNote } from "../../linux/printable.ts";
import { boolean, type JsonObject } from "../../appc/json_value.ts";
import { ERRNO } from "../../linux/errno.ts";
import type { IpAddress } from "../model/address.ts";
import { addIngress, addIngressFilter } from "../kernel/rtnetlink_filter.ts";
import type { Word } from "../kernel/message.ts";
import { NetlinkError, type NetlinkSocket, type Request } from "../kernel/netlink.ts";
import { IPV4_CONF, setIpv4Conf, setLink } from "../kernel/rtnetlink_link.ts";
import { guardProgram, type LinkGuard } from "./link_guard.ts";

/** Filters what comes in by a link that was just made. */
export const guardRequests = (link: Word, guard: LinkGuard): readonly Request[] => [
  addIngress(link),
  addIngressFilter(link, guardProgram(guard)),
];

/** No redirects, no source routes, no answers for others, and only packets from where the link leads to (RFC 3704). */
const SETTINGS = [
  [IPV4_CONF.rpFilter, 1],
  [IPV4_CONF.acceptRedirects, 0],
  [IPV4_CONF.sendRedirects, 0],
  [IPV4_CONF.acceptSourceRoute, 0],
  [IPV4_CONF.proxyArp, 0],
] as const;

/** Brings a link up that believes nothing of routes that comes by it. */
export const bringUpRequests = (link: Word, name: string): readonly Request[] => [
  setIpv4Conf(link, SETTINGS, name),
  setLink(link, { up: true }, name),
];

/**
 * What a pod may send, with addresses on a network.
 *
 * @param json the network's configuration: `"sourceCheck": false` opens its links to routers
 * @param own whether only rkt's pods are on the network: then it has IPv6 only if they have addresses of it
 */
export function podGuard(json: JsonObject, ips: readonly IpAddress[], own: boolean): LinkGuard {
  const checked = boolean(json.sourceCheck, "sourceCheck", true) && ips.length > 0;
  const four = ips.filter(({ length }) => length === 4);
  const six = ips.filter(({ length }) => length === 16);
  const closed = own && six.length === 0 && ips.length > 0;
  return {
    // On a network of others the pod may have addresses that rkt does not know.
    ...checked && (own || four.length > 0) && { sources4: four },
    ...checked && (own || six.length > 0) && { sources6: six },
    ipv6: closed ? "none" : json.sourceCheck === false ? "all" : "hosts",
  };
}

/** As {@linkcode guardLink} for a pod's link; where the kernel can't, that is said. */
export function guardPod(host: NetlinkSocket, link: number, guard: LinkGuard): boolean {
  const guarded = guardLink(host, link, guard);
  if (!guarded) {
    printNote(
      "run: warning: this kernel has no filters of links (CONFIG_NET_CLS_BPF); pods can send from addresses that are not theirs",
    );
  }
  return guarded;
}

/** What a kernel answers that has no such filters (`CONFIG_NET_SCH_INGRESS`, `CONFIG_NET_CLS_BPF`). */
const WITHOUT: readonly number[] = [ERRNO.ENOENT, ERRNO.EOPNOTSUPP];

/**
 * Filters what comes in by a link; a filter that rkt has given it before stays.
 *
 * @returns false where the kernel can't
 */
export function guardLink(host: NetlinkSocket, link: number, guard: LinkGuard): boolean {
  for (const request of guardRequests(link, guard)) {
    try {
      host.requests([request]);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      if (WITHOUT.includes(error.errno)) return false;
      if (error.errno !== ERRNO.EEXIST) throw error;
    }
  }
  return true;
}
