/**
 * The networks of a cached start (src/start/cache/start_cache.ts): which networks a pod joins, and where its supervisor's
 * program holds the bytes that take them down.
 *
 * Those messages and paths have the same length for every pod of a command line. Only UUIDs and addresses differ.
 */
import { closeDescriptor } from "../../linux/lock.ts";
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
  /** Where in the program each message, each path, and last the address stands. */
  readonly parts: readonly { readonly at: readonly number[]; readonly length: number }[];
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

/** The bytes of a tear-down in the order in which {@linkcode CachedNetworks.parts} has them. */
function partsOf(
  { messages, files }: NetworkTearDown,
  address: string | undefined,
): readonly Uint8Array[] {
  const encoder = new TextEncoder();
  const texts = [...files, ...address === undefined ? [] : [address]];
  return [...messages, ...texts.map((text) => encoder.encode(text))];
}

/** The offsets at which bytes occur in a program, which is text of one character a byte. */
function occurrences(program: string, part: Uint8Array): readonly number[] {
  const text = new TextDecoder("latin1").decode(part);
  const found: number[] = [];
  for (let at = program.indexOf(text); at >= 0; at = program.indexOf(text, at + 1)) found.push(at);
  return found;
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
 * @param program the program of the pod's supervisor
 * @returns undefined where a network depends on more than its configuration
 */
export async function recordNetworks(
  pod: JoinedPod,
  program: Uint8Array,
): Promise<RecordedNetworks | undefined> {
  const { localConfig, asked, chosen, forwards, address, tearDown } = pod;
  if (!chosen.every(isPlain) || tearDown.command !== undefined) return undefined;
  // windows-1252, which this label means, maps every byte to a character of its own.
  const text = new TextDecoder("latin1").decode(program);
  const parts = partsOf(tearDown, address).map((part) => ({
    at: occurrences(text, part),
    length: part.length,
  }));
  if (parts.some(({ at }) => at.length === 0)) return undefined;
  const { recordRejoin } = await import("./record_rejoin.ts");
  const replay = recordRejoin(chosen, { ...pod, infos: readRecord(pod), parts });
  const cached = {
    ...{ localConfig, asked, key: confKey(chosen) },
    ...{ forwards: forwards.map(storedForward), parts },
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
 * Sets up the networks of a pod, and writes what takes them down into its program.
 *
 * @returns whether the program fits; if not, nothing is set up
 * @throws {Failure} as `setUpNetworks()` does
 */
export async function rejoinNetworks(
  cached: CachedNetworks,
  networks: readonly ChosenNetwork[],
  pod: { readonly uuid: string; readonly dataDir: string; readonly podPath: string },
  program: Uint8Array,
): Promise<boolean> {
  const { localConfig } = cached;
  const forwards = cached.forwards.map(forwardOf);
  const { tearDown, infos } = await setUpNetworks({ ...pod, localConfig, networks, forwards });
  const { addressLength } = cached;
  const address = addressLength === undefined
    ? undefined
    : infos.find(({ ip }) => ip !== "")?.ip.padEnd(addressLength);
  const parts = partsOf(tearDown, address);
  const fits = parts.length === cached.parts.length &&
    cached.parts.every(({ length }, i) => parts[i]?.length === length);
  if (!fits) {
    await takeDown({ ...pod, localConfig });
    return false;
  }
  for (const [i, part] of parts.entries()) {
    for (const offset of cached.parts[i]?.at ?? []) program.set(part, offset);
  }
  return true;
}

/** Takes down the networks that a pod has joined, also where only some of them were set up. */
export async function takeDown(pod: PodNetworks): Promise<void> {
  const { takeDownNetworks } = await import("./take_down.ts");
  closeDescriptor(POD_NAMESPACE);
  await takeDownNetworks(pod, readRecord(pod));
}
