/** What the host's resolver says, for pods that are told nothing else. */
import { parseIp } from "../../net/model/address.ts";
import type { CniDns } from "../../net/model/cni.ts";
import type { World } from "../world.ts";

const RESOLV_CONF = "/etc/resolv.conf";

/** Where systemd-resolved has the servers that it asks itself (systemd-resolved.service(8)). */
const BEHIND_RESOLVED = "/run/systemd/resolve/resolv.conf";

/**
 * The servers, domains and options of the host's resolv.conf.
 *
 * @param ownLoopback whether the pod has a loopback interface of its own: then a server on the host's is not reached, and
 *   those that a local resolver asks itself take its place
 * @returns undefined where there is no server that the pod could reach
 */
export function hostNames(world: World, ownLoopback: boolean): CniDns | undefined {
  const first = readNames(world, RESOLV_CONF, ownLoopback);
  if (first === undefined || first.nameservers.length > 0) return first;
  const second = readNames(world, BEHIND_RESOLVED, ownLoopback);
  return second !== undefined && second.nameservers.length > 0 ? second : undefined;
}

function readNames(world: World, path: string, ownLoopback: boolean): CniDns | undefined {
  if (world.absent(path)) return undefined;
  try {
    return parseResolvConf(new TextDecoder().decode(world.content(path)), ownLoopback);
  } catch {
    return undefined; // A link that leads nowhere: the start is not kept.
  }
}

/** Servers that glibc reads (`MAXNS`, resolv.h). */
const MOST_SERVERS = 3;

/** Reads a resolv.conf(5); of several `search` lines the last counts, and `domain` is one. */
export function parseResolvConf(text: string, ownLoopback: boolean): CniDns {
  const nameservers: string[] = [];
  let search: readonly string[] = [];
  const options: string[] = [];
  for (const line of text.split("\n")) {
    const [word, ...values] = line.trim().split(/\s+/);
    const [value = ""] = values;
    if (word === "nameserver" && isReachable(value, ownLoopback)) nameservers.push(value);
    else if (word === "search" || word === "domain") search = values;
    else if (word === "options") options.push(...values);
  }
  return { nameservers: nameservers.slice(0, MOST_SERVERS), search, options };
}

/** An address with a zone (`fe80::1%eth0`) is one of a link of the host's. */
function isReachable(text: string, ownLoopback: boolean): boolean {
  const address = parseIp(text);
  if (address === undefined) return false;
  const loopback = address.length === 4
    ? address[0] === 127
    : address.every((byte, i) => byte === (i === 15 ? 1 : 0));
  return !(loopback && ownLoopback);
}
