/** What pods of a user have left of their networks. */
import { releaseHostLocal } from "../../net/ipam/host_local.ts";
import { readRecord, removeRecord } from "../../net/pod/net_info.ts";
import { collectPastas } from "../../rootless/pasta.ts";
import { collectMembers, networkHolder } from "../../rootless/shared_network.ts";

/** Lets go of the networks of pods that nobody makes or runs any more. Links and rules go with the namespace that they are in. */
export async function collectUserNetworks(dataDir: string): Promise<void> {
  await collectMembers(dataDir, (uuid) => {
    const pod = { dataDir, uuid };
    for (const { allocations } of readRecord(pod)) {
      if (allocations !== undefined) releaseHostLocal(allocations, uuid);
    }
    removeRecord(pod);
  });
  collectPastas(dataDir, networkHolder(dataDir)?.id);
}
