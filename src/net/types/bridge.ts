/** Network type `bridge`: a veth for each pod, all of them ports of a bridge on the host. */
import { AppcError } from "../../appc/error.ts";
import { boolean, filledString, type JsonObject, optional } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import type { Bytes } from "../../linux/bytes.ts";
import { ERRNO } from "../../linux/errno.ts";
import { type IpPrefix, networkOf, nextIp } from "../model/address.ts";
import { type Allocation, cniArgs } from "../ipam/ipam.ts";
import { inNamespace, withNamespaceLock } from "../kernel/namespace.ts";
import type { Word } from "../kernel/message.ts";
import { NetlinkError, type Request } from "../kernel/netlink.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import { bringUpRequests, guardPod, podGuard } from "./host_link.ts";
import { allowIpv6, ignoreRouters } from "./link_sysctls.ts";
import {
  type AttachContext,
  type Attached,
  enableForwarding,
  findLink,
  firstWins,
  macField,
  macOf,
  macText,
  mtuField,
  setUpPodLink,
} from "./pod_link.ts";
import { addAddress, addBehindPort } from "../kernel/rtnetlink_address.ts";
import {
  addLink,
  getLink,
  isLocked,
  type Link,
  setBridgePort,
  setLink,
  veth,
} from "../kernel/rtnetlink_link.ts";

/** The alias of bridges that rkt has made: those that `rkt gc` removes when nobody uses them. */
export const OUR_BRIDGE = "made by rkt";

/** What CNI's plugin can do and we can't. */
const UNSUPPORTED = ["vlan", "vlanTrunk"] as const;

/** Joins a pod to a `bridge` network. */
export function attachBridge(context: AttachContext, configured: Allocation): Attached {
  const { host, namespace, attachment, plugin: { json } } = context;
  const option = (name: string) => boolean(json[name], name, false);
  const unsupported = UNSUPPORTED.find((name) =>
    ![undefined, false, 0].some((v) => v === json[name])
  );
  if (unsupported !== undefined) {
    throw new AppcError(unsupported, "is not supported by the built-in type; leave it out");
  }
  const defaultRoute = option("isDefaultGateway");
  const isGateway = defaultRoute || option("isGateway");
  const allocation = isGateway ? withGateways(configured, defaultRoute) : configured;
  const { ips } = allocation;
  if (isGateway && ips.length === 0) throw new AppcError("ipam", "gives no address for isGateway");
  const mtu = mtuField(json);
  const size = mtu === undefined ? {} : { mtu };
  const gateways = isGateway ? ips.flatMap(gatewayPrefix) : [];
  const name = hostLinkName(attachment);
  const mac = podMac(context, allocation);
  const peer = { name: attachment.ifName, namespace, ...size, ...mac && { mac } };
  const bridge = withNamespaceLock("shared", () => {
    const found = makeBridge(context, gateways, size);
    const port = { name, master: found.index, ...size };
    host.requests([addLink("veth", port, veth(peer))]);
    return found;
  });
  if (option("promiscMode")) {
    host.requests([setLink(bridge.index, { promiscuous: true }, bridge.name)]);
  }
  const port = findLink(host, name);
  const own = bridge.alias === OUR_BRIDGE;
  const addresses = ips.map(({ address }) => address.address);
  if (own && addresses.some(({ length }) => length === 16)) allowIpv6(bridge.name, true);
  allowIpv6(name, false); // what the host has of it, the bridge has
  const guarded = guardPod(host, port.index, podGuard(json, addresses, own));
  host.requests(bringUpRequests(port.index, name));
  if (own) inNamespace(namespace, () => ignoreRouters(attachment.ifName));
  const podLink = setUpPodLink(context, allocation);
  host.requests(portRequests(port.index, json));
  if (option("macspoofchk")) guardAddress(context, port, podLink.mac);
  for (const gateway of gateways) firstWins(host, addAddress(bridge.index, gateway));
  if (isGateway) enableForwarding(ips.map(({ address }) => address.address));
  return {
    result: {
      ...allocation,
      interfaces: [
        { name: bridge.name, mac: macText(bridge.mac) },
        { name, mac: macText(port.mac) },
        { name: attachment.ifName, mac: macText(podLink.mac), sandbox: attachment.netns },
      ],
      ips: ips.map((ip) => ({ ...ip, interface: 2 })),
    },
    hostLink: bridge.name,
    hostAddresses: gateways,
    switched: true,
    masqueraded: option("ipMasq"),
    ...!guarded && { unguarded: true },
  };
}

/** Lets only packets of the pod's own hardware address in by its port. */
function guardAddress({ host }: AttachContext, { index, name }: Link, mac: Bytes): void {
  host.requests([addBehindPort(index, mac), setBridgePort(index, { locked: true })]);
  if (isLocked(host.ask(getLink(name)))) return;
  throw new AppcError("macspoofchk", "needs Linux 5.18; leave it out");
}

/** The requests that make a port of a bridge as the configuration says, but for what macspoofchk asks for. */
export function portRequests(port: Word, json: JsonObject): readonly Request[] {
  const option = (name: string) => boolean(json[name], name, false);
  return [
    ...option("hairpinMode") ? [setBridgePort(port, { hairpin: true })] : [],
    ...option("portIsolation") ? [setBridgePort(port, { isolated: true })] : [],
  ];
}

/** The name of the configuration's bridge. */
export const bridgeName = (json: JsonObject): string =>
  optional(json.bridge, "bridge", filledString) ?? "cni0";

/** Where the allocation names no gateway, it is the first address of the network; and maybe there are default routes. */
export function withGateways<A extends Pick<Allocation, "ips" | "routes">>(
  allocation: A,
  defaultRoute: boolean,
): A {
  const first = (prefix: IpPrefix) => nextIp(networkOf(prefix).address);
  const ips = allocation.ips.map((ip) => ({ ...ip, gateway: ip.gateway ?? first(ip.address) }));
  const defaults = ips.map(({ gateway }) => ({
    to: { address: new Uint8Array(gateway.length), length: 0 },
    via: gateway,
  }));
  return { ...allocation, ips, routes: [...defaultRoute ? defaults : [], ...allocation.routes] };
}

/** The address that the bridge has for pods with an address. */
export const gatewayPrefix = (
  { address, gateway }: Allocation["ips"][number],
): readonly IpPrefix[] =>
  gateway === undefined ? [] : [{ address: gateway, length: address.length }];

/** `MAC` of the arguments, else that of the IPv4 address. */
function podMac({ attachment }: AttachContext, { ips }: Allocation) {
  const asked = cniArgs(attachment.args).get("MAC");
  if (asked !== undefined) return macField(asked, "MAC");
  const four = ips.find(({ address }) => address.address.length === 4);
  return four && macOf(four.address.address);
}

/** Finds the bridge, or makes it. */
function makeBridge(
  { host, plugin: { json } }: AttachContext,
  gateways: readonly IpPrefix[],
  size: { readonly mtu?: number },
): Link {
  const name = bridgeName(json);
  const four = gateways.find(({ address }) => address.length === 4);
  // A bridge would take the smallest address of its ports, and change it as they come and go.
  const mac = four === undefined ? {} : { mac: macOf(four.address) };
  try {
    host.requests([addLink("bridge", { name, ...size, ...mac })]);
    const made = findLink(host, name);
    allowIpv6(name, gateways.some(({ address }) => address.length === 16));
    host.requests([
      setLink(made.index, { alias: OUR_BRIDGE }, name),
      ...bringUpRequests(made.index, name),
    ]);
    return { ...made, alias: OUR_BRIDGE };
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== ERRNO.EEXIST) throw error;
  }
  const found = findLink(host, name);
  if (found.kind !== "bridge") {
    throw new Failure(`the host's link "${name}" is no bridge; name another one in "bridge"`);
  }
  if (!found.up) host.requests([setLink(found.index, { up: true }, name)]);
  return found;
}
