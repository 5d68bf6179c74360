/** IP address management (IPAM): which addresses and routes a pod gets in a network. */
import { AppcError, shown } from "../../appc/error.ts";
import { array, field, type JsonObject, object, optional, string } from "../../appc/json_value.ts";
import {
  contains,
  family,
  type IpAddress,
  type IpPrefix,
  ipText,
  parseIp,
  parsePrefix,
  prefixText,
} from "../model/address.ts";
import type { CniDns, CniIp, CniRoute } from "../model/cni.ts";
import { routeDetails } from "./route_details.ts";

/** What a pod gets in a network. */
export interface Allocation {
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns;
  /** Files that say that the addresses are taken; removing them gives the addresses back. */
  readonly files: readonly string[];
}

/** Nothing about names. */
export const NO_DNS: CniDns = { nameservers: [], search: [], options: [] };

/** An IP address in a configuration. */
export function ipField(value: unknown, at: string): IpAddress {
  const text = string(value, at);
  const address = parseIp(text);
  if (address === undefined) throw new AppcError(at, `${shown(text)} is not an IP address`);
  return address;
}

/** A network in a configuration, like `10.1.0.0/16`. */
export function prefixField(value: unknown, at: string): IpPrefix {
  const text = string(value, at);
  const prefix = parsePrefix(text);
  if (prefix === undefined) {
    throw new AppcError(at, `${shown(text)} is not of the form ADDRESS/LENGTH`);
  }
  return prefix;
}

/** `routes` of an IPAM configuration. */
export function routesField(ipam: JsonObject, at: string): readonly CniRoute[] {
  return array(ipam.routes, field(at, "routes"), (each, where) => {
    const route = object(each, where);
    const to = prefixField(route.dst, field(where, "dst"));
    const via = optional(route.gw, field(where, "gw"), ipField);
    if (via !== undefined && family(via) !== family(to.address)) {
      throw new AppcError(field(where, "gw"), `${ipText(via)} is no gateway for ${prefixText(to)}`);
    }
    return { to, ...via !== undefined && { via }, ...routeDetails(route, where) };
  });
}

/** `dns` of a configuration, or of a result. */
export function dnsField(value: unknown, at: string): CniDns {
  const dns = optional(value, at, object);
  if (dns === undefined) return NO_DNS;
  const words = (name: string) =>
    array(dns[name], field(at, name), (each, where) => {
      const word = string(each, where);
      // What would make another line of resolv.conf.
      if (!/^[^\s#;]+$/.test(word)) {
        throw new AppcError(where, `${shown(word)} can't stand in resolv.conf`);
      }
      return word;
    });
  const [domain] = dns.domain === undefined || dns.domain === ""
    ? []
    : array([dns.domain], at, (each) => {
      const word = string(each, field(at, "domain"));
      if (!/^[^\s#;]+$/.test(word)) {
        throw new AppcError(field(at, "domain"), `${shown(word)} can't stand in resolv.conf`);
      }
      return word;
    });
  return {
    nameservers: words("nameservers"),
    search: words("search"),
    options: words("options"),
    ...domain !== undefined && { domain },
  };
}

/** `CNI_ARGS` as a record. */
export function cniArgs(args: string): ReadonlyMap<string, string> {
  const pairs = args.split(";").filter((pair) => pair !== "");
  return new Map(pairs.map((pair) => {
    const equals = pair.indexOf("=");
    return [pair.slice(0, equals), pair.slice(equals + 1)];
  }));
}

/** IPAM `static`: the addresses stand in the configuration, and nothing is written down. */
export function allocateStatic(
  ipam: JsonObject,
  at: string,
  args: ReadonlyMap<string, string>,
): Allocation {
  const configured = array(ipam.addresses, field(at, "addresses"), (each, where): CniIp => {
    const entry = object(each, where);
    const address = prefixField(entry.address, field(where, "address"));
    const gateway = optional(entry.gateway, field(where, "gateway"), ipField);
    return { address, ...gateway !== undefined && { gateway } };
  });
  const ips = args.has("IP") ? askedStatic(args) : configured;
  if (ips.length === 0) throw new AppcError(field(at, "addresses"), "there is none");
  return {
    ips,
    routes: routesField(ipam, at),
    dns: dnsField(ipam.dns, field(at, "dns")),
    files: [],
  };
}

/** `IP=ADDRESS/LENGTH[,…];GATEWAY=ADDRESS[,…]` in place of the configuration's addresses. */
function askedStatic(args: ReadonlyMap<string, string>): readonly CniIp[] {
  const gateways = (args.get("GATEWAY") ?? "").split(",").filter((each) => each !== "")
    .map((each) => ipField(each, "GATEWAY"));
  return (args.get("IP") ?? "").split(",").map((each): CniIp => {
    const address = prefixField(each, "IP");
    const gateway = gateways.find((of) => contains(address, of));
    return { address, ...gateway !== undefined && { gateway } };
  });
}
