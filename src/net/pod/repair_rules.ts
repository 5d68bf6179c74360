/** Putting back the rules of nftables that running pods have lost: `nft flush ruleset` takes those of everybody. */
import { Failure } from "../../failure.ts";
import { openPod } from "../../pod/directory/pod_directory.ts";
import { pinSupervisor } from "../../pod/app/app_process.ts";
import { podIsHeld } from "../../pod/directory/pod_held.ts";
import { lookForMissing, restoreNat } from "../nat/nat.ts";
import { natRequest } from "./nat_request.ts";
import { readRecord, recordedPods } from "./net_info.ts";

/**
 * Puts back the rules of the pods of a data directory that run in this network namespace. A pod that ends meanwhile may
 * leave some, which the next `collectNat()` takes down.
 *
 * @returns a line for each pod: what was repaired, or why it could not be
 */
export function repairRules(dataDir: string): readonly string[] {
  const pods = recordedPods(dataDir).filter((uuid) => runsHere(dataDir, uuid));
  if (pods.length === 0) return [];
  const missing = lookForMissing();
  return pods.flatMap((uuid) => {
    const pod = { uuid, dataDir };
    const request = natRequest(pod, readRecord(pod));
    if (request === undefined || missing(request).length === 0) return [];
    try {
      restoreNat(request, (owner) => podIsHeld(owner.dataDir, owner.uuid));
      return [`pod "${uuid}": its rules were gone from nftables, and are back`];
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return [`pod "${uuid}": its rules are gone from nftables: ${error.message}`];
    }
  });
}

/** Whether a pod runs whose supervisor is in the network namespace of this thread. */
function runsHere(dataDir: string, uuid: string): boolean {
  if (!podIsHeld(dataDir, uuid)) return false;
  try {
    using supervisor = pinSupervisor(openPod(dataDir, uuid));
    return supervisor !== undefined && Deno.readLinkSync(`/proc/${supervisor.pid}/ns/net`) ===
        Deno.readLinkSync("/proc/thread-self/ns/net") &&
      supervisor.alive;
  } catch (error) {
    if (error instanceof Failure || error instanceof Deno.errors.NotFound) return false; // it has ended
    throw error;
  }
}
