/**
 * IPv6 beside IPv4: a pod's second address ends with its first one, so whoever has reserved the one has the other
 * (`"ipv6": true` of IPAM `host-local`). Nobody outside sees these addresses, because what pods send is masqueraded.
 */
import { boolean, field, type JsonObject } from "../../appc/json_value.ts";
import { embedding, single } from "../model/address.ts";
import type { CniIp, CniRoute } from "../model/cni.ts";
import { canForwardIpv6 } from "../kernel/ipv6_forwarding.ts";
import type { Allocation } from "./ipam.ts";

/** Adds the IPv6 addresses, and a default route where there is one of IPv4, if the host can have pods with IPv6. */
export function withIpv6(
  ipam: JsonObject,
  at: string,
  allocation: Allocation,
  can = canForwardIpv6,
): Allocation {
  if (!boolean(ipam.ipv6, field(at, "ipv6"), false)) return allocation;
  const four = allocation.ips.filter(({ address }) => address.address.length === 4);
  if (four.length === 0 || !can()) return allocation;
  const routed = allocation.routes.some(isDefault4);
  return {
    ...allocation,
    ips: [...allocation.ips, ...four.map(besides)],
    routes: [...allocation.routes, ...routed ? [DEFAULT6] : []],
  };
}

/** The IPv6 address beside one of IPv4. */
export const besides = ({ address, gateway }: CniIp): CniIp => ({
  address: embedding(address),
  ...gateway && { gateway: embedding(single({ address: gateway })).address },
});

/** The default route of IPv6, by the network's gateway. */
export const DEFAULT6: CniRoute = { to: { address: new Uint8Array(16), length: 0 } };

/** Whether a route is the network's default route of IPv4. */
export const isDefault4 = ({ to, via }: CniRoute): boolean =>
  to.address.length === 4 && to.length === 0 && via === undefined;
