/**
 * Masquerading and port forwarding of pods, in the nftables table `inet rkt` of the host (nat_table.ts).
 *
 * The rules never change. A pod only has elements in the table's sets, each with a comment that names the pod. So all of a
 * pod's elements come and go in one batch. Everything here runs in the host's network namespace.
 */
import { ERRNO } from "../../linux/errno.ts";
import type { ForwardTarget, NatRequest } from "../model/forward.ts";
import type { PodRef } from "../model/pod_ref.ts";
import { forgetConnections } from "../kernel/conntrack.ts";
import { checkListeners } from "../kernel/listeners.ts";
import { getLink, readLink, setBridgePort } from "../kernel/rtnetlink_link.ts";
import { closeLoopback, openLoopback, reopenLoopback } from "./loopback_access.ts";
import type { Message } from "../kernel/message.ts";
import { displaced } from "./nat_conflicts.ts";
import { type NatTearDown, natTearDown } from "./nat_tear_down.ts";
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
  generationOf,
  getGeneration,
  getRule,
  getRules,
  isNewRule,
  newTable,
  readRule,
} from "../kernel/nft.ts";
import { elementsOf, getElements, type SetElement } from "../kernel/nft_set.ts";

/** How often a batch is tried again when somebody else changes rules at the same time. */
const ATTEMPTS = 10_000;

/**
 * Inserts a pod's elements, all or none. If two pods want one port, exactly one of them gets it.
 *
 * @param alive whether a pod that has a port or address still runs; the elements of a dead pod are replaced
 * @returns what takes the elements down
 * @throws {Failure} names the pod or program that has a port
 */
export function setUpNat(
  request: NatRequest,
  alive: (owner: PodRef) => boolean,
): NatTearDown {
  const { forwards, target } = request;
  const { own, shared } = natElements(request);
  if (own.length === 0) return { messages: [] };
  if (target !== undefined && forwards.length > 0) checkListeners(forwards, target);
  insertNat(request, [...own, ...shared], alive);
  return natTearDown(own, forwards.length > 0);
}

/** The elements that a pod needs: its own, which are removed with it, and those that pods share, which stay. */
export function natElements(
  request: NatRequest,
): { readonly own: readonly SetElementRef[]; readonly shared: readonly SetElementRef[] } {
  const { forwards, target } = request;
  return {
    own: [...masqueradeElements(request), ...forwardElements(request)],
    // Other pods of the bridge share its link.
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

/** Finds the elements that a pod needs and that are not in the table. */
export type MissingElements = (request: NatRequest) => readonly SetElementRef[];

/** Reads the table once, as it is now. */
export function lookForMissing(): MissingElements {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  // Without the rules that use them, elements are as good as gone.
  const there = new Set(rulesAreGone(socket) ? [] : tableElements(socket).map(refText));
  return (request) => {
    const { own, shared } = natElements(request);
    return [...own, ...shared].filter((ref) => !there.has(refText(ref)));
  };
}

const refText = ({ set, element: { key } }: SetElementRef): string => `${set} ${key.toHex()}`;

/** The elements of a set. */
const readSet = (socket: NetlinkSocket, set: string): readonly SetElement[] =>
  elementsOf(socket.dump(`read set ${set}`, getElements(TABLE, set)));

/** All elements of the table. A set, or the whole table, may have been deleted by somebody else: then it has none. */
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
 * Restores the elements of a running pod after somebody has flushed the rules of all tables.
 *
 * @param alive as for {@linkcode setUpNat}; asked for other pods only
 * @throws {Failure} another pod has taken a port
 */
export function restoreNat(request: NatRequest, alive: (owner: PodRef) => boolean): void {
  const { own, shared } = natElements(request);
  // Elements of its own that are left count as a dead pod's, and are replaced in the same batch.
  const others = (owner: PodRef) => owner.uuid !== request.uuid && alive(owner);
  insertNat(request, [...own, ...shared], others);
}

/** Settings of links that forwarding needs beside the rules. */
function openWays({ link, port, addresses, guarded }: ForwardTarget): void {
  if (link !== undefined) openLoopback(link, addresses.map(({ address }) => address), guarded);
  if (port === undefined) return;
  // With br_netfilter, the bridge delivers forwarded packets itself, and without hairpin mode never to the port they came from.
  using socket = new NetlinkSocket(NETLINK_ROUTE);
  const { index } = readLink(socket.ask(getLink(port)));
  socket.requests([setBridgePort(index, { hairpin: true })]);
}

/**
 * Inserts elements, and makes the table if there is none.
 *
 * Without ports, conflicts are looked for only after the kernel has refused the batch. With ports they are looked for
 * first: a port of one address conflicts with the same port of all addresses, and those are elements of different sets,
 * so the kernel sees no conflict. The batch carries the generation of that look and fails if the rules have changed.
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
      if (!make && rulesAreGone(socket)) repairTable(socket);
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
        // Somebody has made the table, or another pod has an element.
        make = false;
        look = true;
      } else if (errno !== ERRNO.ERESTART) throw error;
      return false;
    }
    return true;
  });
}

/** Whether there is the table, and rules of it are missing: `nft flush table inet rkt` leaves sets, chains and elements. */
function rulesAreGone(socket: NetlinkSocket): boolean {
  try {
    const rules = socket.dump("read the rules", getRules(TABLE));
    return rules.length < tableMessages().filter(isNewRule).length && hasTable(socket);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ERRNO.ENOENT) return false;
    throw error;
  }
}

/** Asks for the last rule of the table, which is there as long as nobody has flushed it; undefined where there is none. */
export function askForRule(): Message | undefined {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    const last = socket.dump("read the rules", getRules(TABLE)).map(readRule).at(-1);
    return last && getRule(TABLE, last);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ERRNO.ENOENT) return undefined;
    throw error;
  }
}

/** Where there is no table, nobody has flushed it. */
function hasTable(socket: NetlinkSocket): boolean {
  try {
    readSet(socket, LINKS_SET);
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ERRNO.ENOENT) return false;
    throw error;
  }
}

/** Makes the table again with all elements that are left, after somebody has deleted a part of it. */
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

/** Calls `done` until it returns true. */
function attempts(done: () => boolean): void {
  for (let i = 0; i < ATTEMPTS; i++) if (done()) return;
  throw new Error(`the rules of nftables changed ${ATTEMPTS} times while rkt was changing them`);
}

const currentGeneration = (socket: NetlinkSocket): number =>
  generationOf(socket.request("ask for the generation of the rules", getGeneration()));

/** Applies messages, all or none. With a generation it fails with `ERESTART` if the rules have changed since. */
function commit(socket: NetlinkSocket, messages: readonly Message[], generation?: number): void {
  const requests = messages.map((message) => ({ doing: "change the rules of nftables", message }));
  socket.batch(batchBegin(generation), requests, batchEnd());
}

/** Takes a pod's rules down. No error where it has none. */
export function tearDownNat(uuid: string): void {
  remove((owner) => owner.uuid === uuid);
}

/** Removes the elements of a data directory's dead pods, and the table if it is empty then. */
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
  // Before the table goes, because its rule protects 127.0.0.0/8 on these links.
  links.forEach(closeLoopback);
  try {
    commit([deleteTable(TABLE)]);
  } catch (error) {
    // A pod has just inserted elements, and may have opened its link before this closed it.
    links.forEach(reopenLoopback);
    throw error;
  }
}
