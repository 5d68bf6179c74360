/** The loopback interface of a network namespace that is new: it is there, and down. */
import * as k from "../../src/linux/constants.ts";
import { type Section, slot, struct } from "../engine/plan.ts";

/** Brings it up. */
export function bringLoopbackUp(setup: Section): void {
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
