import { Failure } from "../../failure.ts";
import type { Flags } from "../grammar/flags.ts";
import type { DnsRequest, HostsEntry, HostsRequest } from "../../start/request.ts";
import { isIpAddress } from "./ip_address.ts";
import { splitPair } from "../grammar/key_values.ts";

/**
 * Reads `--dns`, `--dns-search`, `--dns-opt` and `--dns-domain`.
 *
 * @throws {Failure} no address, or `host` or `none` beside others
 */
export function parseDns(flags: Flags): DnsRequest {
  const servers = flags.all("dns");
  const search = flags.all("dns-search");
  const options = flags.all("dns-opt");
  const domain = flags.text("dns-domain");
  const others = servers.length + search.length + options.length + (domain === undefined ? 0 : 1);
  if (others === 0) return { kind: "default" };
  for (const kind of ["host", "none"] as const) {
    if (!servers.includes(kind)) continue;
    if (others > 1) throw new Failure(`--dns=${kind} can't stand beside other --dns flags`);
    return { kind };
  }
  const bad = servers.find((server) => !isIpAddress(server));
  if (bad !== undefined) {
    throw new Failure(`--dns: ${JSON.stringify(bad)} is neither an IP address nor host or none`);
  }
  const broken = [...search, ...options, domain ?? "x"].find((word) => !/^[^\s#;]+$/.test(word));
  if (broken !== undefined) {
    throw new Failure(`--dns: ${JSON.stringify(broken)} can't stand in resolv.conf`);
  }
  return { kind: "custom", servers, search, options, domain };
}

/**
 * Reads the values of `--hosts-entry`: `ADDRESS=NAME[,NAME…]` each, or `host` alone.
 *
 * @throws {Failure}
 */
export function parseHosts(values: readonly string[]): HostsRequest {
  if (values.length === 0) return { kind: "default" };
  if (values.includes("host")) {
    if (values.length > 1) throw new Failure("--hosts-entry=host can't stand beside other entries");
    return { kind: "host" };
  }
  return { kind: "entries", entries: values.flatMap(splitEntries).map(parseHostsEntry) };
}

/** `A=h1,h2,B=h3` are two entries, as in rkt: a part with an equals sign begins a new one. */
function splitEntries(value: string): readonly string[] {
  const entries: string[] = [];
  for (const part of value.split(",")) {
    const last = entries.pop();
    if (last === undefined) entries.push(part);
    else entries.push(...part.includes("=") ? [last, part] : [`${last},${part}`]);
  }
  return entries;
}

function parseHostsEntry(value: string): HostsEntry {
  const [address, list] = splitPair("--hosts-entry", value);
  if (!isIpAddress(address)) {
    throw new Failure(`--hosts-entry: ${JSON.stringify(address)} is not an IP address`);
  }
  const names = list.split(",");
  const bad = names.find((name) => !/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(name));
  if (bad !== undefined) {
    throw new Failure(`--hosts-entry: ${JSON.stringify(bad)} is not a host name`);
  }
  return { address, names };
}
