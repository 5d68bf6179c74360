import type { CniDns } from "../net/model/cni.ts";
import { HOSTS_STUB } from "../store/skeleton.ts";
import type { EtcFile, EtcFiles } from "../../stage1/pod.ts";
import type { HostsEntry, RunOptions } from "./request.ts";

/** What the files depend on beside the flags. */
export interface EtcSurroundings {
  readonly hostname: string;
  /** The pod's address, filled up with spaces: see {@linkcode filledAddress}. Absent where the name is the pod's loopback's. */
  readonly address?: string | undefined;
  /** What the pod's networks say about names. */
  readonly network?: CniDns | undefined;
  /** What the host says, asked only where nobody else does; absent where the pod can't reach the host's servers. */
  readonly host?: (() => CniDns | undefined) | undefined;
}

/** Where a host's own name leads that has no address (Debian Reference, "The hostname resolution"). */
const OWN_ADDRESS = "127.0.1.1";

/**
 * What the apps get as /etc/resolv.conf and /etc/hosts. What is absent is left to volumes and images; what is implicit
 * makes way for them.
 */
export function etcFiles(
  { dns, hosts }: Pick<RunOptions, "dns" | "hosts">,
  around: EtcSurroundings,
): EtcFiles {
  const resolvConf = resolvConfFile(dns, around);
  const entries = hosts.kind === "entries" ? hosts.entries : [];
  const own = `${around.address ?? OWN_ADDRESS}\t${around.hostname}\n`;
  const text = HOSTS_STUB + own + entries.map(hostsLine).join("");
  return {
    ...resolvConf && { resolvConf },
    hosts: hosts.kind === "host"
      ? { kind: "host" }
      : { kind: "text", text, ...hosts.kind === "default" && { implicit: true } },
  };
}

function resolvConfFile(
  dns: RunOptions["dns"],
  { network, host }: EtcSurroundings,
): EtcFile | undefined {
  if (dns.kind === "none") return undefined;
  if (dns.kind === "host") return { kind: "host" };
  if (dns.kind === "default") {
    if (network !== undefined) return { kind: "text", text: resolvConfText(network) };
    const found = host?.();
    return found && { kind: "text", text: resolvConfText(found), implicit: true };
  }
  const { servers, search, options } = dns;
  const others = servers.length > 0 ? undefined : network ?? host?.();
  return {
    kind: "text",
    text: resolvConfText({
      nameservers: others?.nameservers ?? servers,
      search: search.length > 0 ? search : others?.search ?? [],
      options: options.length > 0 ? options : others?.options ?? [],
      domain: dns.domain,
    }),
  };
}

/** Characters of the longest address of a family. */
const LONGEST = { 4: 15, 6: 39 } as const;

/** An address, filled up to one length for all addresses of its family: a repeated start writes another one in its place. */
export function filledAddress(address: string): string {
  return address.padEnd(LONGEST[address.includes(":") ? 6 : 4]);
}

/** What goes into a resolv.conf. */
type Names = Omit<CniDns, "domain"> & { readonly domain?: string | undefined };

/** In the order in which rkt writes the lines (resolv.conf(5)). */
function resolvConfText({ search, nameservers, options, domain }: Names): string {
  const lines = [
    ...search.length > 0 ? [`search ${search.join(" ")}`] : [],
    ...nameservers.map((server) => `nameserver ${server}`),
    ...options.length > 0 ? [`options ${options.join(" ")}`] : [],
    ...domain === undefined ? [] : [`domain ${domain}`],
  ];
  return lines.map((line) => `${line}\n`).join("");
}

const hostsLine = ({ address, names }: HostsEntry): string => `${address}\t${names.join(" ")}\n`;
