import { FLY } from "../fly/fly.ts";
import { MANAGER } from "../manager/manager.ts";
import { CALLER_STREAM_STEPS } from "../output/caller_streams.ts";
import * as networkEnd from "../processes/network_end.ts";
import * as output from "../output/output.ts";
import * as relay from "../output/relay.ts";
import { RECORDER } from "../processes/audit.ts";
import * as removal from "../processes/removal.ts";
import type { PlanParts } from "../processes/plan_parts.ts";

/** All that a pod's plan may need. */
export const PLAN_PARTS: PlanParts = {
  manager: MANAGER,
  streams: CALLER_STREAM_STEPS,
  recorder: RECORDER,
  networkEnd,
  output,
  relay,
  removal,
  fly: FLY,
};
