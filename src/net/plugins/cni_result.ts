/**
 * Results of CNI plugins in the shapes of the specification's versions. 0.1.0 and 0.2.0 know one address of each family
 * (`ip4`, `ip6`) and no chains; 0.3.0 to 0.4.0 say of each address which version it is; 1.0.0 and 1.1.0 do not.
 */
import {
  array,
  field,
  integer,
  type JsonObject,
  object,
  optional,
  parseJsonObject,
  string,
} from "../../appc/json_value.ts";
import { AppcError } from "../../appc/error.ts";
import {
  type IpAddress,
  type IpPrefix,
  ipText,
  parseIp,
  parsePrefix,
  prefixText,
} from "../model/address.ts";
import { detailsOf, routeDetails } from "../ipam/route_details.ts";
import type { CniDns, CniInterface, CniIp, CniResult, CniRoute } from "../model/cni.ts";

/** A result in which nothing happened. */
export const EMPTY_RESULT: CniResult = {
  interfaces: [],
  ips: [],
  routes: [],
  dns: { nameservers: [], search: [], options: [] },
};

/**
 * Reads a plugin's answer to ADD, of any version.
 *
 * @throws {AppcError} it is none; the field and what is wrong with it
 */
export function parseResult(text: string): CniResult {
  const json = text.trim() === "" ? {} : parseJsonObject(text);
  const old = (["ip4", "ip6"] as const).flatMap((name) =>
    optional(json[name], name, oldAddress) ?? []
  );
  return {
    interfaces: array(json.interfaces, "interfaces", parseInterface),
    ips: [...old.map(({ ip }) => ip), ...array(json.ips, "ips", parseAddress)],
    routes: [...old.flatMap(({ routes }) => routes), ...array(json.routes, "routes", parseRoute)],
    dns: optional(json.dns, "dns", parseDns) ?? EMPTY_RESULT.dns,
    json,
  };
}

/** An address with its routes, as 0.2.0 has it. */
function oldAddress(value: unknown, at: string) {
  const json = object(value, at);
  const gateway = optional(json.gateway || undefined, field(at, "gateway"), ipAddress);
  const ip: CniIp = {
    address: ipPrefix(json.ip, field(at, "ip")),
    ...gateway !== undefined && { gateway },
  };
  return { ip, routes: array(json.routes, field(at, "routes"), parseRoute) };
}

function parseInterface(value: unknown, at: string): CniInterface {
  const json = object(value, at);
  const words = (name: string) => optional(json[name] || undefined, field(at, name), string);
  const mac = words("mac");
  const sandbox = words("sandbox");
  const mtu = optional(
    json.mtu || undefined,
    field(at, "mtu"),
    (each, where) => integer(each, where, 1, 0xffff_ffff),
  );
  return {
    name: string(json.name, field(at, "name")),
    ...mac !== undefined && { mac },
    ...mtu !== undefined && { mtu },
    ...sandbox !== undefined && { sandbox },
  };
}

function parseAddress(value: unknown, at: string): CniIp {
  const json = object(value, at);
  const gateway = optional(json.gateway || undefined, field(at, "gateway"), ipAddress);
  const index = optional(
    json.interface,
    field(at, "interface"),
    (each, where) => integer(each, where, 0, 1000),
  );
  return {
    address: ipPrefix(json.address, field(at, "address")),
    ...gateway !== undefined && { gateway },
    ...index !== undefined && { interface: index },
  };
}

function parseRoute(value: unknown, at: string): CniRoute {
  const json = object(value, at);
  const via = optional(json.gw || undefined, field(at, "gw"), ipAddress);
  return {
    to: ipPrefix(json.dst, field(at, "dst")),
    ...via !== undefined && { via },
    ...routeDetails(json, at),
  };
}

function parseDns(value: unknown, at: string): CniDns {
  const json = object(value, at);
  const words = (name: string) => array(json[name], field(at, name), string);
  const domain = optional(json.domain || undefined, field(at, "domain"), string);
  return {
    nameservers: words("nameservers"),
    search: words("search"),
    options: words("options"),
    ...domain !== undefined && { domain },
  };
}

function ipAddress(value: unknown, at: string): IpAddress {
  const text = string(value, at);
  const address = parseIp(text);
  if (address === undefined) throw new AppcError(at, `"${text}" is not an IP address`);
  return address;
}

function ipPrefix(value: unknown, at: string): IpPrefix {
  const text = string(value, at);
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new AppcError(at, `"${text}" is not of the form ADDRESS/LENGTH`);
  return prefix;
}

/** Whether a version of CNI is at least another one. */
export function versionAtLeast(version: string, least: string): boolean {
  const numbers = (text: string) => text.split(".").map(Number);
  const others = numbers(least);
  for (const [i, number] of numbers(version).entries()) {
    const other = others[i] ?? 0;
    if (number !== other) return number > other;
  }
  return true;
}

/** A result as plugins of a version read it. What a plugin of the same version has written stays as it is. */
export function resultJson(result: CniResult, version: string): JsonObject {
  if (result.json?.cniVersion === version) return result.json;
  const { dns } = result;
  const dnsJson = {
    ...dns.nameservers.length > 0 && { nameservers: dns.nameservers },
    ...dns.domain !== undefined && { domain: dns.domain },
    ...dns.search.length > 0 && { search: dns.search },
    ...dns.options.length > 0 && { options: dns.options },
  };
  return versionAtLeast(version, "0.3.0")
    ? { cniVersion: version, ...newShape(result, version), dns: dnsJson }
    : { cniVersion: version, ...oldShape(result), dns: dnsJson };
}

function newShape({ interfaces, ips, routes }: CniResult, version: string): JsonObject {
  const ipVersion = (address: IpAddress) => address.length === 4 ? "4" : "6";
  return {
    interfaces: interfaces.map(({ mtu, ...others }) =>
      mtu !== undefined && versionAtLeast(version, "1.1.0") ? { mtu, ...others } : others
    ),
    ips: ips.map((ip) => ({
      ...!versionAtLeast(version, "1.0.0") && { version: ipVersion(ip.address.address) },
      ...ip.interface !== undefined && { interface: ip.interface },
      address: prefixText(ip.address),
      ...ip.gateway !== undefined && { gateway: ipText(ip.gateway) },
    })),
    routes: routes.map((route) => ({
      ...routeJson(route),
      ...versionAtLeast(version, "1.1.0") && detailsOf(route),
    })),
  };
}

const routeJson = ({ to, via }: CniRoute): JsonObject => ({
  dst: prefixText(to),
  ...via !== undefined && { gw: ipText(via) },
});

function oldShape({ ips, routes }: CniResult): JsonObject {
  const of = (name: string, size: number): JsonObject => {
    const ip = ips.find(({ address }) => address.address.length === size);
    if (ip === undefined) return {};
    const own = routes.filter(({ to }) => to.address.length === size);
    return {
      [name]: {
        ip: prefixText(ip.address),
        ...ip.gateway !== undefined && { gateway: ipText(ip.gateway) },
        ...own.length > 0 && { routes: own.map(routeJson) },
      },
    };
  };
  return { ...of("ip4", 4), ...of("ip6", 16) };
}
