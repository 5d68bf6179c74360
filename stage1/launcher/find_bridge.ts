/**
 * Finds the bridge that a pod's link becomes a port of. src/net/types/bridge.ts makes it at a first start; where it is gone, or
 * down, or another one has its name, the full way does.
 */
import * as k from "../../src/linux/constants.ts";
import {
  type Address,
  addressOf,
  type Section,
  type Slot,
  slot,
  space,
  struct,
} from "../engine/plan.ts";
import { isLess, NLMSG_HDRLEN, NO_VALUES, RECEIVED, send } from "./netlink.ts";
import type { BridgeReplay } from "./network_replay.ts";

// include/uapi/linux/rtnetlink.h, if.h
const RTM_NEWLINK = 16;
const IFF_UP = 1;

/** Bytes of `struct ifinfomsg`, and of what stands in it before the link's index and its flags. */
const IFINFOMSG = { bytes: 16, index: 4, flags: 8 } as const;

/** Attributes begin at multiples of so many bytes. */
const NLA_ALIGNTO = 4;

const answer = space("answer: bridge", RECEIVED);

/** The lock under which no bridge of this network namespace goes: see withNamespaceLock() of src/net/kernel/namespace.ts. */
export const BRIDGES_LOCK = slot("lock of the bridges");

/** Where the bridge's index is once it is found. */
export const bridgeIndex = (): Address => addressOf(answer, NLMSG_HDRLEN + IFINFOMSG.index);

/** The steps. The lock is -1 before, and held afterwards. */
export function findBridge(
  s: Section,
  socket: Slot,
  { question, attributes }: BridgeReplay,
  failed: string,
): void {
  const [size, word, end] = [slot("bytes of the answer"), slot("word of an answer"), slot("end")];
  s.attempt("open the own network", "openat", [
    k.AT_FDCWD,
    "/proc/self/ns/net",
    k.O_RDONLY | k.O_CLOEXEC,
    0,
  ], { store: BRIDGES_LOCK, branch: { when: "error", to: failed } });
  s.attempt("let no bridge go", "flock", [BRIDGES_LOCK, k.LOCK_SH], {
    branch: { when: "error", to: failed },
  });
  send(s, "look at the bridge", socket, { hex: question, holes: [] }, NO_VALUES, failed);
  s.attempt("receive the answer", "recvfrom", [socket, answer, RECEIVED, k.MSG_DONTWAIT, 0, 0], {
    store: size,
    branch: { when: "less", operand: NLMSG_HDRLEN + IFINFOMSG.bytes, to: failed },
  });
  s.compute("load", [answer], { store: word });
  s.compute("shr", [word, 32], { store: word });
  s.compute("and", [word, 0xffff], {
    store: word,
    branch: { when: "different", operand: RTM_NEWLINK, to: failed },
  });
  s.compute("load", [addressOf(answer, NLMSG_HDRLEN + IFINFOMSG.flags)], { store: word });
  s.compute("and", [word, IFF_UP], { store: word });
  s.when(word, 0, failed);
  s.set(end, answer);
  s.compute("add", [end, size], { store: end });
  for (const [i, hex] of attributes.entries()) findAttribute(s, `bridge ${i}`, end, hex, failed);
}

/** Goes on where the answer has an attribute. One of them may be within another. */
function findAttribute(s: Section, name: string, end: Slot, hex: string, failed: string): void {
  const bytes = Uint8Array.fromHex(hex);
  const wanted = struct(`attribute of the ${name}`, ["bytes", bytes.length, bytes]);
  const [place, last, same] = [slot("place in the answer"), slot("last place"), slot("same")];
  s.set(place, addressOf(answer, NLMSG_HDRLEN + IFINFOMSG.bytes));
  s.compute("sub", [end, bytes.length], { store: last });
  s.label(`${name}: place`);
  isLess(s, last, place, failed);
  s.compute("same", [place, wanted, bytes.length], { store: same });
  s.when(same, 1, `${name}: found`);
  s.compute("add", [place, NLA_ALIGNTO], { store: place });
  s.goto(`${name}: place`);
  s.label(`${name}: found`);
}

/** The steps once the link is a port: nobody removes a bridge that has some. */
export function unlockBridges(s: Section): void {
  s.attempt("let bridges go", "close", [BRIDGES_LOCK]);
  s.set(BRIDGES_LOCK, -1);
}
