/** What the built-in types of networks have in common: the pod's interface with its addresses and routes. */
import { AppcError } from "../../appc/error.ts";
import { integer, type JsonObject, optional, string } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import { type Bytes, concat } from "../../linux/bytes.ts";
import { ERRNO } from "../../linux/errno.ts";
import {
  AF_INET,
  family,
  type IpAddress,
  type IpPrefix,
  lastOf,
  networkOf,
  single,
} from "../model/address.ts";
import type { Attachment, CniResult, NetworkConf, PluginConf } from "../model/cni.ts";
import { detailsOf } from "../ipam/route_details.ts";
import type { Allocation } from "../ipam/ipam.ts";
import type { Word } from "../kernel/message.ts";
import { NetlinkError, type NetlinkSocket, type Request } from "../kernel/netlink.ts";
import { addAddress } from "../kernel/rtnetlink_address.ts";
import { getLink, getLinkAt, type Link, readLink, setLink } from "../kernel/rtnetlink_link.ts";
import { addRoute, getRoutes, readRoute } from "../kernel/rtnetlink_route.ts";
import { forwardIpv6, IPV6_FILES } from "../kernel/ipv6_forwarding.ts";

/** The network, the pod and the sockets that a built-in plugin works with. */
export interface AttachContext {
  /** rtnetlink of the host's namespace, and of the pod's. */
  readonly host: NetlinkSocket;
  readonly pod: NetlinkSocket;
  /** Descriptor of the pod's namespace. */
  readonly namespace: number;
  readonly network: NetworkConf;
  readonly plugin: PluginConf;
  readonly attachment: Attachment;
}

/** The result of a built-in plugin. */
export interface Attached {
  readonly result: CniResult;
  /** The host's link to the pod; absent where the host has none, as with macvlan. */
  readonly hostLink?: string;
  /** The addresses that this link has got, each in its network. */
  readonly hostAddresses?: readonly IpPrefix[];
  /** Whether pods of the network reach each other without the host routing between them. */
  readonly switched: boolean;
  /** Whether what leaves the network is to leave with the host's address. */
  readonly masqueraded: boolean;
  /** Whether the kernel could not filter what the pod sends by its link; see host_link.ts. */
  readonly unguarded?: boolean;
}

/** `mtu` of a configuration; 0 means the default. */
export function mtuField(json: JsonObject): number | undefined {
  const mtu = optional(json.mtu, "mtu", (value, at) => integer(value, at, 0, 65535));
  return mtu === 0 ? undefined : mtu;
}

/** A hardware address in a configuration or argument. */
export function macField(value: unknown, at: string): Bytes {
  const text = string(value, at);
  if (!/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text)) {
    throw new AppcError(at, `"${text}" is not a hardware address`);
  }
  return new Uint8Array(text.split(":").map((digits) => parseInt(digits, 16)));
}

/** A hardware address as people write it. */
export const macText = (mac: Bytes): string =>
  Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");

/** The hardware address that belongs to an IPv4 address, as CNI makes it: other hosts need not forget an old one. */
export const macOf = (address: IpAddress): Bytes => concat(new Uint8Array([0x0a, 0x58]), address);

/** Looks at a link that must be there. */
export function findLink(socket: NetlinkSocket, name: string): Link {
  return readLink(socket.ask(getLink(name)));
}

/** A configuration's `master`: a link of the host, by default that of its default route. */
export function masterLink(host: NetlinkSocket, json: JsonObject): Link {
  const name = optional(json.master, "master", string) ?? "";
  if (name !== "") {
    try {
      return findLink(host, name);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      throw new AppcError("master", `the host has no link "${name}"`);
    }
  }
  const found = host.dump("list routes", getRoutes(AF_INET)).map(readRoute)
    .find(({ to, link }) => to.length === 0 && link !== undefined);
  if (found?.link === undefined) {
    throw new AppcError(
      "master",
      "is missing, and the host has no default route to take the link of",
    );
  }
  return readLink(host.ask(getLinkAt(found.link)));
}

/** How the pod's interface is set up. */
export interface PodLinkOptions {
  readonly mac?: Bytes;
  /**
   * Whether everything of the network goes through the gateway, because nobody else is on the link: no route to the
   * network, but one to the gateway.
   */
  readonly pointToPoint?: boolean;
}

/** Gives the pod's interface its addresses and routes, and brings it up. Returns it. */
export function setUpPodLink(
  { pod, attachment }: AttachContext,
  allocation: Allocation,
  options: PodLinkOptions = {},
): Link {
  const link = findLink(pod, attachment.ifName);
  pod.requests(podLinkRequests(link, allocation, options));
  for (const route of podRouteRequests(link.index, allocation)) firstWins(pod, route);
  return { ...link, mac: options.mac ?? link.mac };
}

/** Brings the pod's interface up with its addresses. */
export function podLinkRequests(
  { index, name }: { readonly index: Word; readonly name: string },
  { ips }: Pick<Allocation, "ips">,
  { mac, pointToPoint }: PodLinkOptions,
): readonly Request[] {
  const point = pointToPoint === true;
  const requests = [setLink(index, { up: true, ...mac !== undefined && { mac } }, name)];
  for (const { address: prefix, gateway } of ips) {
    const { address, length } = prefix;
    const broadcast = family(address) === AF_INET && length < 31 ? lastOf(prefix) : undefined;
    requests.push(addAddress(index, prefix, { noRoute: point, ...broadcast && { broadcast } }));
    if (!point || gateway === undefined) continue;
    const alone = single({ address: gateway });
    requests.push(addRoute({ to: alone, link: index }));
    const network = { to: networkOf(prefix), via: gateway, link: index };
    requests.push(addRoute({ ...network, ...family(address) === AF_INET && { source: address } }));
  }
  return requests;
}

/** The routes that a network's configuration asks for. Some may be there already: the first network has them. */
export function podRouteRequests(
  index: Word,
  { ips, routes }: Pick<Allocation, "ips" | "routes">,
): readonly Request[] {
  return routes.flatMap((route) => {
    const { to, via } = route;
    const gateway = via ??
      ips.find((ip) => family(ip.address.address) === family(to.address))?.gateway;
    // A default route that the network has no gateway for: it is of one family only.
    if (gateway === undefined && via === undefined && to.length === 0) return [];
    return [addRoute({ to, link: index, ...gateway && { via: gateway }, ...detailsOf(route) })];
  });
}

/** Makes a request whose object may be there already: of two networks with a default route the first has it. */
export function firstWins(socket: NetlinkSocket, request: Request): void {
  try {
    socket.requests([request]);
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== ERRNO.EEXIST) throw error;
  }
}

/** How the host becomes a router, by the file that says so. */
const FORWARDING: Readonly<Record<4 | 16, readonly [path: string, enable: () => void]>> = {
  4: ["/proc/sys/net/ipv4/ip_forward", () => {
    const path = "/proc/sys/net/ipv4/ip_forward";
    if (Deno.readTextFileSync(path).trim() !== "1") Deno.writeTextFileSync(path, "1");
  }],
  16: [IPV6_FILES[1][0], forwardIpv6],
};

/** Makes the host a router for the addresses' families, as CNI's plugins do. */
export function enableForwarding(addresses: readonly IpAddress[]): void {
  for (const size of new Set(addresses.map(({ length }) => length))) {
    const [path, enable] = FORWARDING[size === 4 ? 4 : 16];
    try {
      enable();
    } catch (error) {
      throw new Failure(`${path} can't be set to 1, which pods need to reach others`, 254, {
        cause: error,
      });
    }
  }
}
