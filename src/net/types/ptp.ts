/** Network type `ptp`: a veth for each pod, and the host routes between them. */
import { AppcError } from "../../appc/error.ts";
import { boolean, type JsonObject } from "../../appc/json_value.ts";
import { single } from "../model/address.ts";
import type { Allocation } from "../ipam/ipam.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import {
  type AttachContext,
  type Attached,
  enableForwarding,
  findLink,
  macText,
  mtuField,
  setUpPodLink,
} from "./pod_link.ts";
import { inNamespace } from "../kernel/namespace.ts";
import type { Word } from "../kernel/message.ts";
import type { Request } from "../kernel/netlink.ts";
import { bringUpRequests, guardPod, podGuard } from "./host_link.ts";
import type { LinkGuard } from "./link_guard.ts";
import { allowIpv6, ignoreRouters } from "./link_sysctls.ts";
import { addAddress } from "../kernel/rtnetlink_address.ts";
import { addLink, veth } from "../kernel/rtnetlink_link.ts";
import { addRoute, RT_SCOPE_HOST } from "../kernel/rtnetlink_route.ts";

/** The two ends of a pod's veth. */
interface Ends {
  readonly hostName: string;
  readonly podName: string;
  /** Descriptor of the pod's namespace. */
  readonly namespace: number;
  readonly mtu?: number;
}

/** Makes a veth, one end of it in the pod; the other is down. */
export function vethRequest({ hostName, podName, namespace, mtu }: Ends): Request {
  const size = mtu === undefined ? {} : { mtu };
  const peer = veth({ name: podName, namespace, ...size });
  return addLink("veth", { name: hostName, ...size }, peer);
}

/** What the pod may send: nothing from addresses of others. */
export const ptpGuard = (json: JsonObject, ips: Allocation["ips"]): LinkGuard =>
  podGuard(json, ips.map(({ address }) => address.address), true);

/** Addresses and routes of the end on the host: it has the gateways' addresses, and behind it are the pod's. */
export function hostEndRequests(link: Word, ips: Allocation["ips"]): readonly Request[] {
  return ips.flatMap(({ address, gateway }) => {
    const to = single(address);
    // A link that is just going away may still have a route to the address; it gives way.
    const scope = to.address.length === 4 ? { scope: RT_SCOPE_HOST } : {};
    const route = addRoute({ to, link, ...scope }, true);
    if (gateway === undefined) return [route];
    return [addAddress(link, single({ address: gateway })), route];
  });
}

/** Joins a pod to a `ptp` network. */
export function attachPtp(context: AttachContext, allocation: Allocation): Attached {
  const { host, namespace, attachment, plugin: { json } } = context;
  const mtu = mtuField(json);
  const masqueraded = boolean(json.ipMasq, "ipMasq", false);
  const { ips } = allocation;
  if (ips.length === 0) throw new AppcError("ipam", "gives no address, and ptp needs one");
  enableForwarding(ips.map(({ address }) => address.address));
  const name = hostLinkName(attachment);
  const ends = { hostName: name, podName: attachment.ifName, namespace };
  host.requests([vethRequest({ ...ends, ...mtu !== undefined && { mtu } })]);
  const hostLink = findLink(host, name);
  allowIpv6(name, ips.some(({ address }) => address.address.length === 16));
  const guarded = guardPod(host, hostLink.index, ptpGuard(json, ips));
  host.requests(bringUpRequests(hostLink.index, name));
  inNamespace(namespace, () => ignoreRouters(attachment.ifName));
  const podLink = setUpPodLink(context, allocation, { pointToPoint: true });
  host.requests(hostEndRequests(hostLink.index, ips));
  return {
    result: {
      ...allocation,
      interfaces: [
        { name, mac: macText(hostLink.mac) },
        { name: attachment.ifName, mac: macText(podLink.mac), sandbox: attachment.netns },
      ],
      ips: ips.map((ip) => ({ ...ip, interface: 1 })),
    },
    hostLink: name,
    hostAddresses: ips.flatMap(({ gateway }) =>
      gateway === undefined ? [] : [single({ address: gateway })]
    ),
    switched: false,
    masqueraded,
    ...!guarded && { unguarded: true },
  };
}
