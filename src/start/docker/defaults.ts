/**
 * What docker gives its containers and App Container does not ask for: apps of OCI images rely on it, so a pod that has one gets
 * it, unless a flag says otherwise.
 */
import { HOSTS_STUB } from "../../store/skeleton.ts";
import type { EtcFiles, Pod, PodApp, Sysctl } from "../../../stage1/pod.ts";
import type { RunOptions } from "../request.ts";
import type { World } from "../world.ts";

/** Of a pod with an app of an OCI image. */
export interface DockerDefaults {
  readonly hostname: string;
  /** Where its network is: that of the host, its own without any, or with some. */
  readonly network: RunOptions["network"]["kind"];
}

/** Whether a pod gets what docker gives: whether one of its apps is of an OCI image. */
export function hasOciApp(apps: readonly Pick<PodApp, "isOci">[]): boolean {
  return apps.some(({ isOci }) => isOci === true);
}

/**
 * /etc/resolv.conf and /etc/hosts where neither flags nor networks say what is in them: name servers of the host, and the pod's
 * own name.
 */
export function dockerEtcFiles({ hostname, network }: DockerDefaults, world: World): EtcFiles {
  const resolvConf = network === "none" ? undefined : resolvConfOf(network, world);
  return {
    ...resolvConf && { resolvConf },
    hosts: network === "host" ? { kind: "host" } : { kind: "text", text: hostsText(hostname) },
  };
}

/** The lines of /etc/hosts of a pod that knows its own name. */
export function hostsText(hostname: string): string {
  // Not the address of an interface: a start that is repeated has another one each time.
  return `${HOSTS_STUB}127.0.1.1\t${hostname}\n`;
}

const HOST_FILE = "/etc/resolv.conf";
/** What systemd-resolved writes for those who cannot reach its own address on the loopback interface. */
const UPLINK_FILE = "/run/systemd/resolve/resolv.conf";
const LOOPBACK = /^\s*nameserver\s+(127\.|::1\b)/m;

/** The host's file; with networks of its own a pod does not reach name servers on the host's loopback interface. */
function resolvConfOf(network: "host" | "networks", world: World): EtcFiles["resolvConf"] {
  const text = readText(HOST_FILE, world);
  if (text === undefined) return undefined;
  if (network === "host" || !LOOPBACK.test(text)) return { kind: "host" };
  const uplink = readText(UPLINK_FILE, world) ?? text;
  const lines = uplink.split("\n").filter((line) => !LOOPBACK.test(line));
  return { kind: "text", text: lines.join("\n") };
}

function readText(path: string, world: World): string | undefined {
  try {
    return new TextDecoder().decode(world.content(path));
  } catch {
    return undefined;
  }
}

/** Docker's containers may listen on any port: nothing of the host's is below 1024 in a network of their own. */
const PORT_START = "net/ipv4/ip_unprivileged_port_start";

/** The sysctls of a pod, with those of docker's that nobody has set otherwise. */
export function dockerSysctls(sysctls: readonly Sysctl[], network: string): readonly Sysctl[] {
  if (network === "host" || sysctls.some(([path]) => path === PORT_START)) return sysctls;
  return [...sysctls, [PORT_START, "0"]];
}

/** The apps with `HOSTNAME` in the environment of those of OCI images. */
export function withHostname(apps: readonly PodApp[], hostname: string): Pod["apps"] {
  return apps.map((app) =>
    app.isOci !== true || app.environment.some((each) => each.startsWith("HOSTNAME="))
      ? app
      : { ...app, environment: [...app.environment, `HOSTNAME=${hostname}`] }
  );
}
