/** The network of a pod, as init enters it. Its end is in network_end.ts. */
import * as k from "../../src/linux/constants.ts";
import type { Section } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";
import { bringLoopbackUp } from "../steps/loopback.ts";

/** Init comes to be in the pod's network namespace. What was set up there waits for it. */
export function enterNetwork(setup: Section, { network }: Pod): void {
  if (network.kind === "none") bringLoopbackUp(setup);
  if (network.kind !== "joined") return;
  const { namespace } = network;
  setup.must("enter the pod's network namespace", "setns", [namespace, k.CLONE_NEWNET]);
  setup.attempt("let go of its descriptor", "close", [namespace]);
}
