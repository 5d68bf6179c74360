/** The networks of a pod that is about to run: what `--net`, `--port` and `net.d` ask for, and its setting up. */
import type { PodManifest } from "../appc/pod_manifest.ts";
import { POD_NAMESPACE } from "../net/kernel/namespace.ts";
import { allNetworks, chooseNetworks, type ChosenNetwork } from "../net/plugins/networks.ts";
import { podForwards } from "../net/nat/pod_forwards.ts";
import { setUpNetworks } from "../net/pod/set_up.ts";
import type { Pod } from "../../stage1/pod.ts";
import { absolute } from "./absolute.ts";
import type { NetInfo } from "../net/pod/net_info.ts";
import { hostNames } from "./host/host_names.ts";
import { etcFiles, filledAddress } from "./etc_files.ts";
import { addressHole } from "./hole_values.ts";
import type { HostOptions } from "./host_options.ts";
import type { NetworkRequest, RunOptions } from "./request.ts";
import type { Forward } from "../net/model/forward.ts";
import { World } from "./world.ts";

/** What a pod is to join, and what is to be forwarded to it. */
export interface WantedNetworks {
  readonly networks: readonly ChosenNetwork[];
  readonly forwards: readonly Forward[];
}

/**
 * What is wanted of networks.
 *
 * @throws {Failure} of a configuration or name that is wrong
 */
export function wantedNetworks(
  { networks }: Extract<NetworkRequest, { readonly kind: "networks" }>,
  { localConfig }: HostOptions,
  manifest: Pick<PodManifest, "apps" | "ports">,
  world = new World(),
): WantedNetworks {
  const files = {
    names: (path: string) => world.names(path),
    text: (path: string) => new TextDecoder().decode(world.content(path)),
  };
  return {
    networks: chooseNetworks(networks, allNetworks(absolute(localConfig), files)),
    forwards: podForwards(manifest),
  };
}

/** A pod with the networks that it is to join, none of which is set up: to be shown. */
export function plannedPod(pod: Pod, { networks }: WantedNetworks): Pod {
  const names = networks.map(({ network }, i) => `${network.name} (eth${i})`).join(", ");
  const tearDown = { messages: [], files: [] };
  return {
    ...pod,
    network: { kind: "joined", namespace: POD_NAMESPACE, networks: names, tearDown },
  };
}

/** What setting up the networks does, a line each. */
export function networkSteps({ networks, forwards }: WantedNetworks): readonly string[] {
  return [
    "    make a network namespace, bring its loopback interface up",
    ...networks.map(({ network, args }, i) => {
      const types = network.plugins.map(({ type }) => type).join(", then ");
      const withArgs = args === "" ? "" : ` with ${args}`;
      const from = network.path ?? "built in";
      return `    join network "${network.name}" (${from}) as eth${i} by ${types}${withArgs}`;
    }),
    ...forwards.map(({ name, protocol, hostPort, podPort, count }) => {
      const last = (first: number) => count > 1 ? `${first}-${first + count - 1}` : `${first}`;
      return `    lead ${protocol} port ${last(hostPort)} of the host to ${
        last(podPort)
      } of the pod, "${name}"`;
    }),
  ];
}

/**
 * Sets up a pod's networks.
 *
 * @param path the pod's directory
 * @returns the pod as it is now
 * @throws {Failure} one line, and nothing is left of what was done
 */
export async function joinNetworks(
  pod: Pod,
  path: string,
  wanted: WantedNetworks,
  options: RunOptions,
  { localConfig }: HostOptions,
  world: World,
): Promise<Pod> {
  const { uuid, dataDirectory: dataDir } = pod;
  const { infos, dns, tearDown } = await setUpNetworks({
    uuid,
    dataDir,
    podPath: path,
    localConfig,
    ...wanted,
    ...await ownedNamespace(pod),
  });
  const networks = infos.map(({ netName, ifName, ips }) =>
    `${netName} (${[ifName, ...ips].join(", ")})`
  ).join(", ");
  const address = ownAddress(infos);
  // Without a default route the host's servers are out of reach.
  const far = infos.some(({ tie }) => tie?.routes.some((to) => to.endsWith("/0")) ?? false);
  const etc = etcFiles(options, {
    hostname: pod.hostname,
    address: address !== undefined && pod.holes === true ? addressHole(address) : address,
    network: dns,
    host: far ? () => hostNames(world, true) : undefined,
  });
  const named = etc.hosts?.kind === "text" ? address : undefined;
  return {
    ...pod,
    network: { kind: "joined", namespace: POD_NAMESPACE, networks, address: named, tearDown },
    etc,
  };
}

/** The address that the pod's own name leads to: that of the first network that has given one. */
function ownAddress(infos: readonly NetInfo[]): string | undefined {
  const first = infos.find(({ ip }) => ip !== "");
  return first && filledAddress(first.ip);
}

/** With users of its own the pod's network belongs to their namespace. */
async function ownedNamespace({ privateUsers }: Pod) {
  if (privateUsers === undefined) return {};
  const { makeUserNamespace } = await import("../pod/make/private_users.ts");
  return { makeNamespace: () => makeUserNamespace(privateUsers, true) };
}

/** Takes back what {@linkcode joinNetworks} did. */
export async function leaveNetworks(
  { uuid, dataDirectory: dataDir, network }: Pod,
  path: string,
  { localConfig }: HostOptions,
): Promise<void> {
  if (network.kind !== "joined") return;
  const { takeDownNetworks } = await import("../net/pod/take_down.ts");
  const { readRecord, unlinkRecord } = await import("../net/pod/net_info.ts");
  const place = { uuid, dataDir, localConfig };
  await takeDownNetworks(place, readRecord(place));
  unlinkRecord(path);
}
