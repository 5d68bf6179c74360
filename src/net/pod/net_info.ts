/**
 * What is written down about a pod's networks: `net-info.json` in the pod's directory, in rkt's format, with what their
 * removal needs.
 *
 * The same file has a second name in `networks` of the data directory, from before anything is set up until all of it is
 * taken down; so what a crash leaves is found even where the pod's directory is gone.
 */
import { NET_INFO } from "../../../stage1/launcher/reservations.ts";
import type { JsonObject } from "../../appc/json_value.ts";
import { replaceFile } from "../../linux/atomic_file.ts";
import { ipText, mask, prefixText } from "../model/address.ts";
import type { PodNetwork } from "../../pod/directory/pod_details.ts";
import type { CniResult, PluginConf } from "../model/cni.ts";
import type { StoredForward } from "../model/forward.ts";
import type { PodRef } from "../model/pod_ref.ts";
import { ifThere } from "../../linux/exists.ts";

/** A pod's network in the file. */
export interface NetInfo extends PodNetwork {
  /** All addresses, as `ADDRESS/LENGTH`. */
  readonly ips: readonly string[];
  /** Where files may say that addresses are this pod's. */
  readonly allocations?: string;
  readonly cniVersion: string;
  /** How the pod is tied to the host; absent as long as it has not joined the network. */
  readonly tie?: HostTie;
  /** Whether the pod's packets leave with the host's address. */
  readonly masqueraded?: boolean;
  /** The host's ports that lead to the pod's addresses in this network. */
  readonly forwards?: readonly StoredForward[];
  /** Whether the configuration says that plugins must not be called for CHECK. */
  readonly disableCheck?: boolean;
  /** The external plugins, in the order in which they are called. */
  readonly called: readonly PluginConf[];
  /** With external plugins: the last plugin's result, and the port mappings that they got. */
  readonly result?: JsonObject;
  readonly portMappings?: readonly JsonObject[];
}

/** How a pod is tied to the host. The same for all pods that a configuration gives such addresses. */
export interface HostTie {
  /** Whether it is rkt that made all of this, and not an external plugin. */
  readonly builtIn: boolean;
  /** Whether a link of the host is the other end of the pod's; see `hostLinkName()`. */
  readonly ownLink: boolean;
  /** The link behind which the pod is, where it is another one: the bridge that has the own link as its port. */
  readonly link?: string;
  /** Whether pods of the network reach each other without the host routing between them. */
  readonly switched: boolean;
  /** Addresses of the link on the host. */
  readonly hostAddresses: readonly string[];
  /** Whether the kernel could not filter what the pod sends. */
  readonly unguarded?: boolean;
  /** Networks to which the pod has routes. */
  readonly routes: readonly string[];
}

/** The directory of the records. */
export const recordDirectory = (dataDir: string): string => `${dataDir}/networks`;

/** The name of a pod's file outside its directory. */
export const recordPath = ({ dataDir, uuid }: PodRef): string =>
  `${recordDirectory(dataDir)}/${uuid}`;

/** What the file says. */
export const recordText = (infos: readonly NetInfo[]): string => `${JSON.stringify(infos)}\n`;

/** Writes the file outside the pod's directory. */
export function writeRecord(pod: PodRef, infos: readonly NetInfo[]): void {
  const text = recordText(infos);
  // What is lost in a crash of the machine is no loss: neither the pod nor its networks are there any more.
  const write = () => replaceFile(recordPath(pod), text, { mode: NET_INFO.mode, durable: false });
  try {
    write();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.mkdirSync(recordDirectory(pod.dataDir), { recursive: true, mode: 0o750 });
    write();
  }
}

/** Gives the file its name in the pod's directory. */
export function linkRecord(pod: PodRef, podPath: string): void {
  unlinkRecord(podPath); // one from a run of a prepared pod that failed
  Deno.linkSync(recordPath(pod), `${podPath}/${NET_INFO.name}`);
}

/** Removes the name in the pod's directory. */
export function unlinkRecord(podPath: string): void {
  ifThere(() => Deno.removeSync(`${podPath}/${NET_INFO.name}`));
}

/** Removes the name outside the pod's directory. */
export function removeRecord(pod: PodRef): void {
  ifThere(() => Deno.removeSync(recordPath(pod)));
}

/** The pods of a data directory that have such files. */
export function recordedPods(dataDir: string): readonly string[] {
  return ifThere(() =>
    [...Deno.readDirSync(recordDirectory(dataDir))].map(({ name }) => name)
      .filter((name) => /^[0-9a-f-]{36}$/.test(name)).sort()
  ) ?? [];
}

/** Reads the record. Empty where there is none, or where a crash of the machine has left half of it. */
export function readRecord(pod: PodRef): readonly NetInfo[] {
  try {
    return JSON.parse(Deno.readTextFileSync(recordPath(pod)));
  } catch {
    return [];
  }
}

/** What is written down of a network when the pod has joined it. */
export function completedInfo(info: NetInfo, { ips }: CniResult, tie: HostTie): NetInfo {
  const first = ips.find(({ address }) => address.address.length === 4) ?? ips[0];
  return {
    ...info,
    ...first && { ip: ipText(first.address.address), mask: ipText(mask(first.address)) },
    ips: ips.map(({ address }) => prefixText(address)),
    tie,
  };
}
