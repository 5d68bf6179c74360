/** The plan of a pod: pure, from what is known of the pod to the steps of its three kinds of processes. */
import { init } from "./init.ts";
import { runOutput } from "../output/output.ts";
import * as k from "../../src/linux/constants.ts";
import { emptySections, type Plan, planOf } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";
import type { ManagerSteps } from "../manager/manager_steps.ts";
import { type Recorder, supervise } from "./supervisor.ts";

/** The namespaces of a pod: flags of clone(2). */
export function namespaces(pod: Pod): number {
  // One that has been set up is entered by init.
  const network = pod.network.kind === "none" ? k.CLONE_NEWNET : 0;
  const ipc = pod.ipc === "parent" ? 0 : k.CLONE_NEWIPC;
  return k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWUTS | ipc | network;
}

/** Whether a service manager has to do with the pod. */
export const isManaged = ({ notifySocket, passed }: Pod): boolean =>
  notifySocket !== undefined || passed !== undefined;

/**
 * The plan that makes this process the supervisor of the pod.
 *
 * @param manager what it needs where {@linkcode isManaged} says so
 * @param recorder makes the steps that record its start and end; needed where the pod is to be recorded
 */
export function podPlan(pod: Pod, manager?: ManagerSteps, recorder?: Recorder): Plan {
  if (pod.audit !== undefined && recorder === undefined) throw new Error("no recorder");
  if (isManaged(pod) && manager === undefined) {
    throw new Error("the pod of a service manager needs its steps");
  }
  const sections = emptySections();
  const supervisor = supervise(sections, pod, namespaces(pod), manager, recorder);
  init(sections, pod, supervisor, namespaces(pod), manager);
  runOutput(sections, supervisor.output);
  return planOf(sections);
}
