/**
 * Masquerading and port forwarding of pods, in the nftables table `inet rkt` of the host (nat_table.ts).
 *
 * A pod has elements in the table's sets, each with a comment that names the pod; so all that a pod has comes and goes in
 * one batch. Called in the host's network namespace.
 */
import type { Bytes } from "../../linux/bytes.ts";
import { ERRNO } from "../../linux/errno.ts";
import type { ForwardTarget, NatRequest } from "../model/forward.ts";
import type { PodRef } from "../model/pod_ref.ts";
import { forgetConnections } from "../kernel/conntrack.ts";
import { checkListeners } from "../kernel/listeners.ts";
import { getLink, readLink, setBridgePort } from "../kernel/rtnetlink_link.ts";
import { closeLoopback, openLoopback, reopenLoopback } from "./loopback_access.ts";
import type { Message } from "../kernel/message.ts";
import { displaced } from "./nat_conflicts.ts";
import {
  deletion,
  elementMessages,
  forwardElements,
  insertion,
  linkElements,
  linkOf,
  masqueradeElements,
  ownerOf,
  type SetElementRef,
  shortened,
} from "./nat_elements.ts";
import { LINKS_SET, SETS, TABLE, tableMessages } from "./nat_table.ts";
import { NetlinkError, NetlinkSocket } from "../kernel/netlink.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE } from "../kernel/netlink_numbers.ts";
import {
  batchBegin,
  batchEnd,
  deleteTable,
  encodedBatch,
  generationOf,
  getGeneration,
  newTable,
} from "../kernel/nft.ts";
import { elementsOf, getElements, type SetElement } from "../kernel/nft_set.ts";

/** How often a batch is tried anew where somebody else has changed rules meanwhile. */
const ATTEMPTS = 10_000;

/**
 * Sets a pod's rules, all or none. Ports that others have are found here; of two pods that want one, exactly one gets it.
 *
 * @param alive whether a pod that has a port or address still runs; what a dead one has left gives way
 * @returns the messages for a `NETLINK_NETFILTER` socket that take the rules down, to be sent by one `sendto` each, without
 * waiting for an answer
 * @throws {Failure} who has a port
 */
export function setUpNat(
  request: NatRequest,
  alive: (owner: PodRef) => boolean,
): readonly Bytes[] {
  const { forwards, target } = request;
  const { own, shared } = natElements(request);
  if (own.length === 0) return [];
  if (target !== undefined && forwards.length > 0) checkListeners(forwards, target);
  insertNat(request, [...own, ...shared], alive);
  return [encodedBatch(elementMessages(own, deletion))];
}

/** The elements that a pod needs: its own, which go with it, and those that it shares with others, which stay. */
export function natElements(
  request: NatRequest,
): { readonly own: readonly SetElementRef[]; readonly shared: readonly SetElementRef[] } {
  const { forwards, target } = request;
  return {
    own: [...masqueradeElements(request), ...forwardElements(request)],
    // Behind a bridge there are other pods.
    shared: target?.switched === true && forwards.length > 0 ? linkElements(target) : [],
  };
}

function insertNat(
  request: NatRequest,
  wanted: readonly SetElementRef[],
  alive: (owner: PodRef) => boolean,
): void {
  const { forwards, target } = request;
  insert(wanted, request, alive);
  if (target !== undefined && forwards.length > 0) openWays(target);
  forgetConnections(forwards);
}

/** Which of the elements that a pod needs are not in the table. */
export type MissingElements = (request: NatRequest) => readonly SetElementRef[];

/** Looks into the table, as it is now. */
export function lookForMissing(): MissingElements {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  const there = new Set(tableElements(socket).map(refText));
  return (request) => {
    const { own, shared } = natElements(request);
    return [...own, ...shared].filter((ref) => !there.has(refText(ref)));
  };
}

const refText = ({ set, element: { key } }: SetElementRef): string => `${set} ${key.toHex()}`;

/** The elements of a set. */
const readSet = (socket: NetlinkSocket, set: string): readonly SetElement[] =>
  elementsOf(socket.dump(`read set ${set}`, getElements(TABLE, set)));

/** All elements that there are, also where somebody has taken a set away, or the table. */
function tableElements(socket: NetlinkSocket): readonly SetElementRef[] {
  return SETS.flatMap(({ name: set }) => {
    try {
      return readSet(socket, set).map((element): SetElementRef => ({ set, element }));
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ERRNO.ENOENT) return [];
      throw error;
    }
  });
}

/**
 * Puts back what a pod that runs has lost, because somebody has flushed the rules of all tables.
 *
 * @param alive as for {@linkcode setUpNat}, for other pods
 * @throws {Failure} another pod has a port by now
 */
export function restoreNat(request: NatRequest, alive: (owner: PodRef) => boolean): void {
  const { own, shared } = natElements(request);
  // What of its own is still there makes way in the same batch.
  const others = (owner: PodRef) => owner.uuid !== request.uuid && alive(owner);
  insertNat(request, [...own, ...shared], others);
}

/** What rules alone can't do for those who are near to the pod. */
function openWays({ link, port, addresses }: ForwardTarget): void {
  if (link !== undefined) openLoopback(link, addresses.map(({ address }) => address));
  if (port === undefined) return;
  // With br_netfilter, a bridge itself sends on what is forwarded to one of its ports, and not back by the same port.
  using socket = new NetlinkSocket(NETLINK_ROUTE);
  const { index } = readLink(socket.ask(getLink(port)));
  socket.requests([setBridgePort(index, { hairpin: true })]);
}

/**
 * Inserts elements, into a table that may not be there.
 *
 * What stands in their way is looked at where the kernel has refused them; but where there are ports at once, because
 * what is forwarded from one address conflicts with what is forwarded from all, and that are elements of
 * different sets. The batch fails where the rules have changed since that look.
 */
function insert(
  wanted: readonly SetElementRef[],
  request: NatRequest,
  alive: (owner: PodRef) => boolean,
): void {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  const insertions = elementMessages(wanted, insertion);
  const read = (set: string) => readSet(socket, set);
  let look = request.forwards.length > 0;
  let make = false;
  let missing = 0;
  attempts(() => {
    try {
      const generation = look ? currentGeneration(socket) : undefined;
      const inTheWay = look && !make ? displaced(wanted, request, read, alive) : [];
      const deletions = elementMessages(inTheWay, deletion);
      commit(socket, [...make ? tableMessages() : [], ...deletions, ...insertions], generation);
    } catch (error) {
      const errno = error instanceof NetlinkError ? error.errno : 0;
      if (errno === ERRNO.ENOENT) {
        make = true;
        if (++missing > 1) repairTable(socket);
      } else if (errno === ERRNO.EEXIST || errno === ERRNO.ENOTEMPTY) {
        // The table is there by now, or what is wanted is somebody's.
        make = false;
        look = true;
      } else if (errno !== ERRNO.ERESTART) throw error;
      return false;
    }
    return true;
  });
}

/** Where somebody has taken a part of the table away: makes it anew, with all elements that are left. */
function repairTable(socket: NetlinkSocket): void {
  const generation = currentGeneration(socket);
  const left = tableElements(socket);
  const again = [newTable(TABLE), deleteTable(TABLE), ...tableMessages()];
  try {
    commit(socket, [...again, ...elementMessages(left, insertion)], generation);
  } catch (error) {
    if (!(error instanceof NetlinkError && error.errno === ERRNO.ERESTART)) throw error;
  }
}

/** Tries something until it is done. */
function attempts(done: () => boolean): void {
  for (let i = 0; i < ATTEMPTS; i++) if (done()) return;
  throw new Error(`the rules of nftables changed ${ATTEMPTS} times while rkt was changing them`);
}

const currentGeneration = (socket: NetlinkSocket): number =>
  generationOf(socket.request("ask for the generation of the rules", getGeneration()));

/** Applies messages all or none; with a generation only if the rules still are of that. */
function commit(socket: NetlinkSocket, messages: readonly Message[], generation?: number): void {
  const requests = messages.map((message) => ({ doing: "change the rules of nftables", message }));
  socket.batch(batchBegin(generation), requests, batchEnd());
}

/** Takes a pod's rules down. No error where it has none. */
export function tearDownNat(uuid: string): void {
  remove((owner) => owner.uuid === uuid);
}

/** Takes down the rules of a data directory's pods that don't run any more, and the table where nothing is left in it. */
export function collectNat(dataDir: string, alive: (uuid: string) => boolean): void {
  const ours = shortened(dataDir);
  remove((owner) => owner.dataDir === ours && !alive(owner.uuid));
}

/** Removes the elements of some owners, and the table if nobody else has any. */
function remove(gone: (owner: PodRef) => boolean): void {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  attempts(() => {
    try {
      const generation = currentGeneration(socket);
      removeFrom(tableElements(socket), gone, (messages) => commit(socket, messages, generation));
    } catch (error) {
      const errno = error instanceof NetlinkError ? error.errno : 0;
      if (errno === ERRNO.ERESTART) return false;
      if (errno !== ERRNO.ENOENT) throw error; // there is no table
    }
    return true;
  });
}

function removeFrom(
  all: readonly SetElementRef[],
  gone: (owner: PodRef) => boolean,
  commit: (messages: readonly Message[]) => void,
): void {
  const shared = all.filter(({ set, element }) =>
    set === LINKS_SET && ownerOf(element) === undefined
  );
  const doomed = all.filter(({ element }) => {
    const owner = ownerOf(element);
    return owner !== undefined && gone(owner);
  });
  const links = shared.map(({ element }) => linkOf(element));
  if (doomed.length + shared.length < all.length) {
    if (doomed.length > 0) commit(elementMessages(doomed, deletion));
    return;
  }
  // While the rule that guards them is there.
  links.forEach(closeLoopback);
  try {
    commit([deleteTable(TABLE)]);
  } catch (error) {
    // A pod has just come; it has opened its link before, or does so now.
    links.forEach(reopenLoopback);
    throw error;
  }
}
