/** Takes down a pod's networks on the host: after a failed start, after its end, and for `rkt gc`. */
import { removeAbandoned } from "../../linux/atomic_file.ts";
import { exists } from "../../linux/exists.ts";
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { podIsHeld } from "../../pod/directory/pod_held.ts";
import { OUR_BRIDGE } from "../types/bridge.ts";
import { DATA_DIRECTORY, releaseHostLocal } from "../ipam/host_local.ts";
import { collectNat, tearDownNat } from "../nat/nat.ts";
import { type NetInfo, readRecord, recordedPods, removeRecord } from "./net_info.ts";
import { NetlinkError, NetlinkSocket } from "../kernel/netlink.ts";
import { NETLINK_ROUTE } from "../kernel/netlink_numbers.ts";
import { withNamespaceLock } from "../kernel/namespace.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import type { PodRef } from "../model/pod_ref.ts";
import { deleteLink, GET_LINKS, readLink } from "../kernel/rtnetlink_link.ts";

/** A pod, and the configuration by which its networks are taken down. */
export interface PodNetworks extends PodRef {
  readonly localConfig: string;
}

/**
 * Takes down all that a pod has in the host's network namespace. What is gone already is no error. A failure is reported,
 * and the rest is still taken down.
 *
 * @param netns the pod's namespace, where it still is
 * @returns what went wrong, a line each; nothing, and the record is removed
 */
export async function takeDownNetworks(
  pod: PodNetworks,
  infos: readonly NetInfo[],
  netns = "",
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const attempt = async (act: () => void | Promise<void>) => {
    try {
      await act();
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error));
    }
  };
  for (const info of infos.toReversed()) {
    for (const plugin of info.called.toReversed()) {
      await attempt(async () => {
        const { callDelete } = await import("./external.ts");
        await callDelete(plugin, info, pod, netns);
      });
    }
  }
  await attempt(() => tearDownNat(pod.uuid));
  await attempt(() => deleteHostLinks(pod.uuid, infos));
  for (const { allocations } of infos) {
    if (allocations === undefined) continue;
    await attempt(() => void releaseHostLocal(allocations, pod.uuid));
  }
  if (wrong.length === 0) await attempt(() => removeRecord(pod));
  return wrong;
}

/** A pod's links go with its namespace; one that is held from outside would keep them. */
function deleteHostLinks(uuid: string, infos: readonly NetInfo[]): void {
  using host = new NetlinkSocket(NETLINK_ROUTE);
  for (const { ifName } of infos) {
    const name = hostLinkName({ containerId: uuid, ifName });
    try {
      host.requests([deleteLink(name)]);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.errno !== ERRNO.ENODEV) throw error;
    }
  }
}

/** What {@linkcode collectNetworks} tells. */
export interface CollectNetworksOptions {
  readonly localConfig: string;
  /** Called with a line for what could not be taken down, and for what running pods had lost. */
  readonly onLeft: (line: string) => void;
}

/**
 * Takes down what pods have left that are not any more: also those whose directory has vanished. Pods that somebody makes
 * or runs keep what they have, and get back what of the rules was taken from them.
 */
export async function collectNetworks(
  dataDir: string,
  { localConfig, onLeft }: CollectNetworksOptions,
): Promise<void> {
  const dead = recordedPods(dataDir).filter((uuid) => !podIsHeld(dataDir, uuid));
  for (const uuid of dead) {
    const pod = { uuid, dataDir, localConfig };
    for (const line of await takeDownNetworks(pod, readRecord(pod))) {
      onLeft(`networks of pod "${uuid}" stay until the next gc: ${line}`);
    }
  }
  removeAbandonedReservations();
  try {
    const { repairRules } = await import("./repair_rules.ts");
    repairRules(dataDir).forEach(onLeft);
    collectNat(dataDir, (uuid) => podIsHeld(dataDir, uuid));
    withNamespaceLock("exclusive", removeUnusedBridges);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    if (error.errno === ERRNO.EPROTONOSUPPORT) return; // a kernel without nf_tables has no rules
    onLeft(`rules and bridges stay until the next gc: ${error.message}`);
  }
}

/** Removes what a KILL has left of reservations that were being made. */
function removeAbandonedReservations(): void {
  if (!exists(DATA_DIRECTORY)) return;
  for (const { name, isDirectory } of Deno.readDirSync(DATA_DIRECTORY)) {
    if (isDirectory) removeAbandoned(`${DATA_DIRECTORY}/${name}`);
  }
}

/** Removes the bridges that rkt has made and that have no ports; under {@linkcode withNamespaceLock}. */
function removeUnusedBridges(): void {
  using host = new NetlinkSocket(NETLINK_ROUTE);
  const links = host.dump("list links", GET_LINKS).map(readLink);
  const used = new Set(links.map(({ master }) => master));
  const unused = links.filter(({ index, kind, alias }) =>
    kind === "bridge" && alias === OUR_BRIDGE && !used.has(index)
  );
  for (const { name } of unused) host.requests([deleteLink(name)]);
}
