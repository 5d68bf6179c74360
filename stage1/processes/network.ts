/** The network of a pod, as init enters it. Its end is in network_end.ts. */
import * as k from "../../src/linux/constants.ts";
import { type Section, slot, struct } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";

/** Init comes to be in the pod's network namespace. What was set up there waits for it. */
export function enterNetwork(setup: Section, { network }: Pod): void {
  if (network.kind === "none") loopbackUp(setup);
  if (network.kind !== "joined") return;
  const { namespace } = network;
  setup.must("enter the pod's network namespace", "setns", [namespace, k.CLONE_NEWNET]);
  setup.attempt("let go of its descriptor", "close", [namespace]);
}

function loopbackUp(setup: Section): void {
  const socket = slot("socket");
  const request = struct("ifreq", ["name", 16, new TextEncoder().encode("lo")], [
    "flags",
    2,
    k.IFF_UP,
  ], ["", 22, new Uint8Array(22)]);
  setup.must("open a socket", "socket", [k.AF_INET, k.SOCK_DGRAM | k.SOCK_CLOEXEC, 0], {
    store: socket,
  });
  setup.must("bring the loopback interface up", "ioctl", [socket, k.SIOCSIFFLAGS, request]);
  setup.attempt("close the socket", "close", [socket]);
}
