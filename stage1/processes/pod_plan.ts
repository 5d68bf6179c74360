/** The plan of a pod: pure, from what is known of the pod to the steps of its three kinds of processes. */
import { init } from "./init.ts";
import type { CallerStreamSteps } from "../output/output.ts";
import { needsStreamSteps, podChannels } from "../output/streams.ts";
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

/** What only some plans need, from modules that are loaded for them. */
export interface PlanParts {
  /** Where {@linkcode isManaged} says so. */
  readonly manager?: ManagerSteps | undefined;
  /** Where {@linkcode needsStreamSteps} says so. */
  readonly streams?: CallerStreamSteps | undefined;
  /** Makes the steps that record the pod's start and end; needed where it is to be recorded. */
  readonly recorder?: Recorder | undefined;
  /** The module for `--interactive`. */
  readonly relay?: typeof import("../output/relay.ts") | undefined;
  /** The module for apps that have streams of their own: see `podChannels()`. */
  readonly output?: typeof import("../output/output.ts") | undefined;
}

/** The plan that makes this process the supervisor of the pod. */
export function podPlan(pod: Pod, parts: PlanParts = {}): Plan {
  const { manager, streams, recorder, relay, output } = parts;
  if (pod.audit !== undefined && recorder === undefined) throw new Error("no recorder");
  if (isManaged(pod) && manager === undefined) {
    throw new Error("the pod of a service manager needs its steps");
  }
  if (needsStreamSteps(pod) && streams === undefined) {
    throw new Error("apps would get the caller's streams as they are");
  }
  if ((pod.interactive && relay === undefined) || (podChannels(pod).length > 0 && !output)) {
    throw new Error("the apps' terminals and streams need steps");
  }
  const sections = emptySections();
  const supervisor = supervise(sections, pod, namespaces(pod), parts);
  init(sections, pod, supervisor, namespaces(pod), manager);
  output?.runOutput(sections, supervisor.output, streams);
  return planOf(sections);
}
