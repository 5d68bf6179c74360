/** The plan of a pod: pure, from what is known of the pod to the steps of its three kinds of processes. */
import { init } from "./init.ts";
import { needsStreamSteps, podChannels } from "../output/streams.ts";
import * as k from "../../src/linux/constants.ts";
import { emptySections, type Plan, planOf } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";
import type { PlanParts } from "./plan_parts.ts";
import { supervise } from "./supervisor.ts";

/** The namespaces of a pod: flags of clone(2). */
export function namespaces(pod: Pod): number {
  if (pod.flavor === "fly") return k.CLONE_NEWNS;
  // One that has been set up is entered by init.
  const network = pod.network.kind === "none" ? k.CLONE_NEWNET : 0;
  const ipc = pod.ipc === "parent" ? 0 : k.CLONE_NEWIPC;
  return k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWUTS | ipc | network;
}

/** Whether a service manager has to do with the pod. */
export const isManaged = ({ notifySocket, passed }: Pod): boolean =>
  notifySocket !== undefined || passed !== undefined;

/** The plan that makes this process the supervisor of the pod. */
export function podPlan(pod: Pod, parts: PlanParts = {}): Plan {
  const { manager, streams, relay, recorder, output } = parts;
  if (pod.audit !== undefined && recorder === undefined) throw new Error("no recorder");
  const fly = pod.flavor === "fly" ? parts.fly : undefined;
  if (pod.flavor === "fly" && fly === undefined) {
    throw new Error("the pod of the flavor fly needs its steps");
  }
  if (isManaged(pod) && manager === undefined) {
    throw new Error("the pod of a service manager needs its steps");
  }
  if (needsStreamSteps(pod) && streams === undefined) {
    throw new Error("apps would get the caller's streams as they are");
  }
  if ((pod.interactive && relay === undefined) || (podChannels(pod).length > 0 && !output)) {
    throw new Error("the apps' terminals and streams need steps");
  }
  if (pod.network.kind === "joined" && parts.networkEnd === undefined) {
    throw new Error("the pod's networks would stay on the host");
  }
  if (pod.removal !== undefined && parts.removal === undefined) {
    throw new Error("the pod would not be removed");
  }
  const sections = emptySections();
  const supervisor = supervise(sections, pod, namespaces(pod), parts);
  init(sections, pod, supervisor, namespaces(pod), { manager, fly });
  output?.runOutput(sections, supervisor.output, streams);
  return planOf(sections);
}
