/**
 * The networks of a cached start (src/start/cache/start_cache.ts): which networks a pod joins.
 *
 * What takes them down is filled into its supervisor's program: messages and paths, which have the same length for every pod
 * of a command line.
 */
import { closeDescriptor } from "../../linux/lock.ts";
import { type HolePlace, MOST_FILE_HOLES } from "../../../stage1/engine/hole.ts";
import type { NetworkTearDown } from "../../../stage1/pod.ts";
import { allNetworks, chooseNetworks, type ChosenNetwork } from "../plugins/networks.ts";
import { isExternal } from "../plugins/plugins.ts";
import { POD_NAMESPACE } from "../kernel/namespace.ts";
import { type Forward, forwardOf, type StoredForward, storedForward } from "../model/forward.ts";
import { readRecord } from "./net_info.ts";
import type { NetworkReplay } from "../../../stage1/launcher/network_replay.ts";
import { setUpNetworks } from "./set_up.ts";
import type { PodNetworks } from "./take_down.ts";

export { POD_NAMESPACE };

/** The networks that were asked for, and the parts of the program that belong to them. */
export interface CachedNetworks {
  readonly localConfig: string;
  readonly asked: readonly { readonly name: string; readonly args: string }[];
  /** The configurations; see {@linkcode confKey}. */
  readonly key: string;
  readonly forwards: readonly StoredForward[];
  /** Characters of the pod's address in /etc/hosts; absent where it does not stand there. */
  readonly addressLength?: number;
}

/** Networks as they were recorded. */
export interface RecordedNetworks {
  readonly cached: CachedNetworks;
  /** What the launcher joins; absent where a network needs the full set-up. */
  readonly replay?: NetworkReplay & { readonly namespace: number };
}

/** Paths, texts and arguments of configurations: two keys are equal only if every configuration is the same. */
function confKey(chosen: readonly ChosenNetwork[]): string {
  return JSON.stringify(chosen.map(({ network, args }) => [network.path, network.text, args]));
}

/** Whether a network is set up from its configuration alone: no programs, and no files of others. */
function isPlain({ network: { plugins: [plugin, ...others] } }: ChosenNetwork): boolean {
  const { ipam } = plugin.json;
  const type = typeof ipam === "object" && ipam !== null && "type" in ipam ? ipam.type : undefined;
  return others.length === 0 && !isExternal(plugin) && plugin.type !== "flannel" &&
    (type === "host-local" || type === "static" || type === undefined);
}

/** A pod that has joined networks. */
export interface JoinedPod {
  readonly uuid: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly localConfig: string;
  readonly asked: CachedNetworks["asked"];
  /** The networks that it has joined. */
  readonly chosen: readonly ChosenNetwork[];
  readonly forwards: readonly Forward[];
  /** As it stands in /etc/hosts; absent where it does not. */
  readonly address?: string | undefined;
  readonly tearDown: NetworkTearDown;
}

/**
 * Records how a pod has joined its networks.
 *
 * @param holes those of the program of the pod's supervisor
 * @returns undefined where a network depends on more than its configuration
 */
export async function recordNetworks(
  pod: JoinedPod,
  holes: readonly HolePlace[],
): Promise<RecordedNetworks | undefined> {
  const { localConfig, asked, chosen, forwards, address, tearDown } = pod;
  if (!chosen.every(isPlain) || tearDown.command !== undefined) return undefined;
  if (tearDown.files.length > MOST_FILE_HOLES) return undefined;
  const { recordRejoin } = await import("./record_rejoin.ts");
  const replay = recordRejoin(chosen, { ...pod, infos: readRecord(pod), holes });
  const cached = {
    ...{ localConfig, asked, key: confKey(chosen) },
    forwards: forwards.map(storedForward),
    ...address !== undefined && { addressLength: address.length },
  };
  return { cached, ...replay && { replay: { ...replay, namespace: POD_NAMESPACE } } };
}

/** Reads the configurations of cached networks again. Undefined where one has changed. */
export function sameNetworks(cached: CachedNetworks): readonly ChosenNetwork[] | undefined {
  const chosen = chooseNetworks(cached.asked, allNetworks(cached.localConfig));
  return confKey(chosen) === cached.key ? chosen : undefined;
}

/**
 * Sets up the networks of a pod.
 *
 * @returns what takes them down, and the pod's address as it stands in its file of hosts
 * @throws {Failure} as `setUpNetworks()` does
 */
export async function rejoinNetworks(
  cached: CachedNetworks,
  networks: readonly ChosenNetwork[],
  pod: { readonly uuid: string; readonly dataDir: string; readonly podPath: string },
): Promise<{ readonly tearDown: NetworkTearDown; readonly address?: string | undefined }> {
  const { localConfig } = cached;
  const forwards = cached.forwards.map(forwardOf);
  const { tearDown, infos } = await setUpNetworks({ ...pod, localConfig, networks, forwards });
  const { addressLength } = cached;
  const address = addressLength === undefined
    ? undefined
    : infos.find(({ ip }) => ip !== "")?.ip.padEnd(addressLength);
  return { tearDown, address };
}

/** Takes down the networks that a pod has joined, also where only some of them were set up. */
export async function takeDown(pod: PodNetworks): Promise<void> {
  const { takeDownNetworks } = await import("./take_down.ts");
  closeDescriptor(POD_NAMESPACE);
  await takeDownNetworks(pod, readRecord(pod));
}
