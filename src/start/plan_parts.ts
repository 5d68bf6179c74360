/** What the plan of a pod needs beyond what every pod needs; each part is loaded only then. */
import { needsStreamSteps, podChannels } from "../../stage1/output/streams.ts";
import type { Pod } from "../../stage1/pod.ts";
import type { PlanParts } from "../../stage1/processes/plan_parts.ts";
import { managerSteps } from "./manager/manager_steps.ts";

/** The parts for a pod. */
export async function planParts(pod: Pod): Promise<PlanParts> {
  const recorder = pod.audit && (await import("./audit/audit_pod.ts")).RECORDER;
  const relay = pod.interactive ? await import("../../stage1/output/relay.ts") : undefined;
  const output = podChannels(pod).length > 0
    ? await import("../../stage1/output/output.ts")
    : undefined;
  const networkEnd = pod.network.kind === "joined"
    ? await import("../../stage1/processes/network_end.ts")
    : undefined;
  const removal = pod.removal && await import("../../stage1/processes/removal.ts");
  const fly = pod.flavor === "fly" ? (await import("../../stage1/fly/fly.ts")).FLY : undefined;
  const manager = await managerSteps(pod);
  const always = { manager, recorder, relay, output, networkEnd, removal, fly };
  if (!needsStreamSteps(pod)) return always;
  const { CALLER_STREAM_STEPS } = await import("../../stage1/output/caller_streams.ts");
  return { ...always, streams: CALLER_STREAM_STEPS };
}
