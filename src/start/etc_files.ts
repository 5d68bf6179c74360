import type { CniDns } from "../net/model/cni.ts";
import { HOSTS_STUB } from "../store/skeleton.ts";
import type { EtcFiles } from "../../stage1/pod.ts";
import type { HostsEntry, RunOptions } from "./request.ts";

/**
 * What the apps get as /etc/resolv.conf and /etc/hosts. What is absent is left to volumes and images.
 *
 * @param network what the pod's networks say about names
 */
export function etcFiles(
  { dns, hosts }: Pick<RunOptions, "dns" | "hosts">,
  network?: CniDns,
): EtcFiles {
  const resolvConf = dns.kind === "host"
    ? { kind: "host" } as const
    : dns.kind === "custom"
    ? { kind: "text", text: resolvConfText({ ...dns, nameservers: dns.servers }) } as const
    : dns.kind === "default" && network !== undefined
    ? { kind: "text", text: resolvConfText(network) } as const
    : undefined;
  const hostsFile = hosts.kind === "host"
    ? { kind: "host" } as const
    : hosts.kind === "entries"
    ? { kind: "text", text: HOSTS_STUB + hosts.entries.map(hostsLine).join("") } as const
    : undefined;
  return { ...resolvConf && { resolvConf }, ...hostsFile && { hosts: hostsFile } };
}

/** In the order in which rkt writes the lines (resolv.conf(5)). */
function resolvConfText({ search, nameservers, options, domain }: CniDns): string {
  const lines = [
    ...search.length > 0 ? [`search ${search.join(" ")}`] : [],
    ...nameservers.map((server) => `nameserver ${server}`),
    ...options.length > 0 ? [`options ${options.join(" ")}`] : [],
    ...domain === undefined ? [] : [`domain ${domain}`],
  ];
  return lines.map((line) => `${line}\n`).join("");
}

const hostsLine = ({ address, names }: HostsEntry): string => `${address}\t${names.join(" ")}\n`;
