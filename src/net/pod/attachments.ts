/** The attachments of a data directory's pods to networks of external plugins, and GC of CNI 1.1, which removes all others. */
import { exists } from "../../linux/exists.ts";
import { closeDescriptor, lockExclusive, lockShared, openDirectory } from "../../linux/lock.ts";
import { podIsHeld } from "../../pod/directory/pod_held.ts";
import type { NetworkConf } from "../model/cni.ts";
import { execPlugin, pluginDirectories } from "../plugins/cni_plugin.ts";
import { versionAtLeast } from "../plugins/cni_result.ts";
import { allNetworks } from "../plugins/networks.ts";
import { readRecord, recordDirectory, recordedPods } from "./net_info.ts";
import { pluginsOf } from "../plugins/plugins.ts";

/** Does something while a lock of the records of a data directory is held. */
async function locked<T>(
  dataDir: string,
  lock: (fd: number, path: string) => void,
  act: () => Promise<T>,
): Promise<T> {
  const path = recordDirectory(dataDir);
  const fd = openDirectory(path);
  try {
    lock(fd, path);
    return await act();
  } finally {
    closeDescriptor(fd);
  }
}

/**
 * Calls plugins for a pod whose record is written. {@linkcode collectAttachments} either knows the record, or is over before
 * the first plugin makes something.
 */
export const withoutGC = <T>(dataDir: string, act: () => Promise<T>): Promise<T> =>
  locked(dataDir, lockShared, act);

/** Whom {@linkcode collectAttachments} asks, and what it tells. */
export interface CollectAttachmentsOptions {
  readonly localConfig: string;
  /** Called with a line for each plugin that could not. */
  readonly onLeft: (line: string) => void;
}

/**
 * Tells the external plugins of each network which attachments the pods of a data directory have still, so that they remove
 * whatever they have for others (GC). Networks of older versions and those with `disableGC` are left alone.
 */
export async function collectAttachments(
  dataDir: string,
  { localConfig, onLeft }: CollectAttachmentsOptions,
): Promise<void> {
  const act = async () => {
    for (const network of allNetworks(localConfig)) {
      const has = !network.disableGC && versionAtLeast(network.cniVersion, "1.1.0");
      if (has) await collectNetwork(dataDir, localConfig, network, onLeft);
    }
  };
  // Where no pod had a network there are no records.
  if (exists(recordDirectory(dataDir))) await locked(dataDir, lockExclusive, act);
  else await act();
}

async function collectNetwork(
  dataDir: string,
  localConfig: string,
  network: NetworkConf,
  onLeft: (line: string) => void,
): Promise<void> {
  const alive = recordedPods(dataDir).filter((uuid) => podIsHeld(dataDir, uuid));
  const validAttachments = alive.flatMap((uuid) =>
    readRecord({ dataDir, uuid }).filter(({ netName }) => netName === network.name)
      .map(({ ifName }) => ({ containerId: uuid, ifName }))
  );
  const directories = pluginDirectories(localConfig);
  const attempt = async (act: () => Promise<unknown>) => {
    try {
      await act();
    } catch (error) {
      onLeft(error instanceof Error ? error.message : String(error));
    }
  };
  await attempt(async () => {
    const { called } = await pluginsOf(network, localConfig);
    for (const plugin of called) {
      const call = { command: "GC", network, plugin, directories, validAttachments } as const;
      await attempt(() => execPlugin(call));
    }
  });
}
