/** The plan of a pod: pure, from what is known of the pod to the steps of its three kinds of processes. */
import { init } from "./init.ts";
import { birthsLater } from "./init_loop.ts";
import { runOutput } from "./output.ts";
import * as k from "./plan/constants.ts";
import { type Plan, Section } from "./plan/plan.ts";
import type { Pod } from "./pod.ts";
import { supervise } from "./supervisor.ts";

/** The namespaces of a pod: flags of clone(2). */
export function namespaces(pod: Pod): number {
  // One that has been set up is entered by init.
  const network = pod.network.kind === "none" ? k.CLONE_NEWNET : 0;
  const ipc = pod.ipc === "parent" ? 0 : k.CLONE_NEWIPC;
  return k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWUTS | ipc | network;
}

/** The plan that makes this process the supervisor of the pod. */
export function podPlan(pod: Pod): Plan {
  const setup = new Section();
  const resident = new Section();
  const supervisor = supervise(setup, resident, pod, namespaces(pod));
  const ofInit = new Section();
  init(setup, ofInit, pod, supervisor, namespaces(pod));
  const ofOutput = new Section();
  runOutput(ofOutput, supervisor.output);
  return {
    setup: setup.items,
    resident: resident.items,
    init: ofInit.items,
    output: ofOutput.items,
    // What setup has found out must outlast its pages where processes are born from it later.
    apart: birthsLater(pod.apps) ? ["init", "output"] : ["setup", "init", "output"],
  };
}
