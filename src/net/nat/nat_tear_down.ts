/** How the elements of a pod go at its end: by messages that its supervisor sends. */
import * as k from "../../linux/constants.ts";
import { syscall } from "../../linux/syscall.ts";
import type { Bytes } from "../../linux/bytes.ts";
import type { Message } from "../kernel/message.ts";
import { acknowledged } from "../kernel/netlink.ts";
import { encodedBatch } from "../kernel/nft.ts";
import { deletion, elementMessages, expiry, type SetElementRef } from "./nat_elements.ts";

/** What takes a pod's elements down. */
export interface NatTearDown {
  /**
   * Batches, each a datagram for a socket of `NETLINK_NETFILTER`. The first one that the kernel takes is enough. All but the
   * last are answered.
   */
  readonly messages: readonly Bytes[];
  /** Nanoseconds until the elements are gone by the first one; absent where nobody minds, because no port leads to the pod. */
  readonly expiry?: number;
}

/** Linux can change the time of elements from this version on. */
const TIMES_SINCE = [6, 12] as const;

/** Whether elements can be told to end; see expiringElements() of kernel/nft_set.ts. */
export function elementsCanExpire(release: string = Deno.osRelease()): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  if (major === undefined || minor === undefined) return false;
  return (Number(major) - TIMES_SINCE[0] || Number(minor) - TIMES_SINCE[1]) >= 0;
}

/**
 * The messages for elements.
 *
 * @param ports whether some of them lead ports of the host to the pod
 */
export function natTearDown(own: readonly SetElementRef[], ports: boolean): NatTearDown {
  const removing = removal(own);
  if (!elementsCanExpire()) return { messages: [removing] };
  const messages = [ending(own), removing];
  return ports ? { messages, expiry: tick() } : { messages };
}

/** The batch that lets elements end. */
export const ending = (own: readonly SetElementRef[]): Bytes =>
  encodedBatch(lastAcknowledged(elementMessages(own, expiry)));

/** The batch that deletes elements. */
export const removal = (own: readonly SetElementRef[]): Bytes =>
  encodedBatch(elementMessages(own, deletion));

/** Asks the kernel to acknowledge the last message only. */
export const lastAcknowledged = (messages: readonly Message[]): readonly Message[] =>
  messages.map((message, i) => i === messages.length - 1 ? acknowledged(message) : message);

/** Nanoseconds between two ticks of the kernel's clock: of 250 a second, 4 million. */
function tick(): number {
  const time = new BigInt64Array(2); // struct timespec
  const bytes = new Uint8Array(time.buffer);
  syscall("ask for the clock's tick", "clock_getres", k.CLOCK_MONOTONIC_COARSE, bytes);
  return Number(time[1]);
}
