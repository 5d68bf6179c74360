/**
 * Looks whether what was set up for a running pod's networks still is there, in the host's network namespace: what rkt
 * made by itself; and external plugins are asked (`CHECK` of CNI).
 */
import { Failure } from "../../failure.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import {
  AF_INET,
  AF_INET6,
  type IpPrefix,
  parsePrefix,
  prefixText,
  sameIp,
  single,
} from "../model/address.ts";
import { versionAtLeast } from "../plugins/cni_result.ts";
import { inNamespace, openNamespace } from "../kernel/namespace.ts";
import { lookForMissing } from "../nat/nat.ts";
import { TABLE } from "../nat/nat_table.ts";
import { addressesOf, hostLinkOf, natRequest } from "./nat_request.ts";
import type { HostTie, NetInfo } from "./net_info.ts";
import { NetlinkSocket } from "../kernel/netlink.ts";
import { NETLINK_ROUTE } from "../kernel/netlink_numbers.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import type { PodRef } from "../model/pod_ref.ts";
import { GET_ADDRESSES, type LinkAddress, readAddress } from "../kernel/rtnetlink_address.ts";
import { GET_LINKS, type Link, readLink } from "../kernel/rtnetlink_link.ts";
import { getRoutes, readRoute, type Route } from "../kernel/rtnetlink_route.ts";

/** A running pod. */
export interface RunningPod extends PodRef {
  readonly localConfig: string;
  /** The path of the pod's network namespace. */
  readonly netns: string;
  /** The same by the path that plugins got to know. */
  readonly pluginNetns: string;
}

/** What {@linkcode checkNetworks} finds. */
export interface CheckedNetworks {
  /** What is not as it was set up, in words. */
  readonly wrong: readonly string[];
  /** What could not be looked at, in words. */
  readonly unknown: readonly string[];
}

/** Looks at all networks of a pod. */
export async function checkNetworks(
  pod: RunningPod,
  infos: readonly NetInfo[],
): Promise<CheckedNetworks> {
  const host = view();
  const inside = viewOf(pod.netns);
  const wrong: string[] = [];
  const unknown: string[] = [];
  for (const info of infos) {
    const { netName, tie, called, cniVersion } = info;
    const line = (words: string | undefined) =>
      words === undefined ? [] : [`network "${netName}": ${words}`];
    if (tie?.builtIn) {
      wrong.push(
        ...line(podFault(info, tie, inside)),
        ...line(hostFault(info, tie, pod.uuid, host)),
      );
    }
    if (called.length === 0 || info.disableCheck) continue;
    if (versionAtLeast(cniVersion, "0.4.0")) wrong.push(...await pluginFaults(info, pod));
    else {
      unknown.push(
        ...line(`not looked at: its plugins speak CNI ${cniVersion}, and CHECK came with 0.4.0`),
      );
    }
  }
  return { wrong: [...wrong, ...ruleFaults(pod, infos)], unknown };
}

/** What there is in a network namespace. */
interface View {
  readonly links: readonly Link[];
  readonly addresses: readonly LinkAddress[];
  readonly routes: readonly Route[];
}

/** Looks at the namespace of this thread. */
function view(): View {
  using socket = new NetlinkSocket(NETLINK_ROUTE);
  return {
    links: socket.dump("list links", GET_LINKS).map(readLink),
    addresses: socket.dump("list addresses", GET_ADDRESSES).map(readAddress),
    routes: [AF_INET, AF_INET6].flatMap((family) =>
      socket.dump("list routes", getRoutes(family)).map(readRoute)
    ),
  };
}

function viewOf(netns: string): View {
  const namespace = openNamespace(netns);
  try {
    return inNamespace(namespace, view);
  } finally {
    closeDescriptor(namespace);
  }
}

/** What is the matter with a link that should be there and up; undefined for nothing. */
function linkFault(link: Link | undefined, name: string, whose: string): string | undefined {
  if (link === undefined) return `${whose} link ${name} is gone`;
  return link.up ? undefined : `${whose} link ${name} is down`;
}

const byName = (name: string, { links }: View): Link | undefined =>
  links.find((link) => link.name === name);

const hasAddress = ({ address, length }: IpPrefix, index: number, { addresses }: View): boolean =>
  addresses.some(({ index: at, prefix }) =>
    at === index && prefix.length === length && sameIp(prefix.address, address)
  );

/** Whether there is a route to a network, by whatever link: of two networks with the same route the first has it. */
const hasRoute = ({ address, length }: IpPrefix, { routes }: View, link?: number): boolean =>
  routes.some(({ to, link: by }) =>
    to.length === length && sameIp(to.address, address) && (link === undefined || by === link)
  );

/** Of several faults the first: a link that is gone has no addresses, and without these there are no routes. */
function podFault(info: NetInfo, { routes }: HostTie, pod: View): string | undefined {
  const name = info.pluginPath === "loopback" ? "lo" : info.ifName;
  const link = byName(name, pod);
  const fault = linkFault(link, name, "the pod's");
  if (link === undefined || fault !== undefined) return fault;
  const address = addressesOf(info).find((each) => !hasAddress(each, link.index, pod));
  if (address !== undefined) return `the pod's ${name} has lost the address ${prefixText(address)}`;
  const route = routes.find((to) => !hasRoute(prefixOf(to), pod));
  return route === undefined ? undefined : `the pod has lost its route to ${route}`;
}

/** The same of the host's side. */
function hostFault(
  info: NetInfo,
  tie: HostTie,
  uuid: string,
  host: View,
): string | undefined {
  const own = hostLinkName({ containerId: uuid, ifName: info.ifName });
  const port = byName(own, host);
  const fault = tie.ownLink ? linkFault(port, own, "the host's") : undefined;
  if (fault !== undefined) return fault;
  const name = hostLinkOf(info, uuid);
  if (name === undefined) return undefined;
  const link = byName(name, host);
  const other = linkFault(link, name, "the host's");
  if (link === undefined || other !== undefined) return other;
  if (link.kind === "bridge" && port?.master !== link.index) {
    return `the host's link ${own} is no port of the bridge ${name} any more`;
  }
  const address = tie.hostAddresses.find((each) => !hasAddress(prefixOf(each), link.index, host));
  if (address !== undefined) return `the host's link ${name} has lost the address ${address}`;
  const alone = tie.switched ? [] : addressesOf(info).map(single);
  const route = alone.find((to) => !hasRoute(to, host, link.index));
  return route === undefined ? undefined : `the host has lost its route to ${prefixText(route)}`;
}

function prefixOf(text: string): IpPrefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is written down as a network`);
  return prefix;
}

/** Whether masquerading and forwards are as they should be. */
function ruleFaults(pod: PodRef, infos: readonly NetInfo[]): readonly string[] {
  const request = natRequest(pod, infos);
  if (request === undefined || lookForMissing()(request).length === 0) return [];
  return [
    `rules of the pod are missing in nftables' table "inet ${TABLE}"; \`rkt gc\` puts them back`,
  ];
}

/** Asks the external plugins of a network, in the order in which they were called for ADD. */
async function pluginFaults(info: NetInfo, pod: RunningPod): Promise<readonly string[]> {
  const { callCheck } = await import("./external.ts");
  for (const plugin of info.called) {
    try {
      await callCheck(plugin, info, pod, pod.pluginNetns);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return [error.message]; // what comes behind it sees the same
    }
  }
  return [];
}
