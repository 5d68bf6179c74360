/** Which elements stand in the way of a pod's, and whether they may be removed. */
import { Failure } from "../../failure.ts";
import type { Bytes } from "../../linux/bytes.ts";
import { ipText } from "../model/address.ts";
import { readBe16 } from "../kernel/message.ts";
import { isCut, ownerOf, type Placed } from "./nat_elements.ts";
import { LINKS_SET } from "./nat_table.ts";
import type { SetElement } from "../kernel/nft_set.ts";
import { flagText, type NatOwner, type NatRequest, PROTOCOLS } from "../model/forward.ts";

/**
 * The elements that have to go for the wanted ones: those of pods that are dead.
 *
 * @param read gets the elements of a set
 * @throws {Failure} one is of a pod that lives
 */
export function displaced(
  wanted: readonly Placed[],
  request: NatRequest,
  read: (set: string) => readonly SetElement[],
  alive: (owner: NatOwner) => boolean,
): readonly Placed[] {
  const claims = new Map<string, Placed[]>();
  for (const set of new Set(wanted.flatMap(({ set }) => rivals(set)))) {
    for (const element of read(set)) {
      const placed = { set, element };
      const key = claim(placed);
      claims.set(key, [...claims.get(key) ?? [], placed]);
    }
  }
  const inTheWay = new Set<Placed>();
  for (const placed of wanted) {
    for (const other of claims.get(claim(placed)) ?? []) {
      if (sameAddress(placed, other)) inTheWay.add(other);
    }
  }
  for (const placed of inTheWay) {
    const owner = ownerOf(placed.element);
    if (owner !== undefined && !isCut(owner) && !alive(owner)) continue;
    throw new Failure(conflictText(placed, request, owner));
  }
  return [...inTheWay];
}

/** The sets in which there may be elements that claim the same as those of a set. */
function rivals(set: string): readonly string[] {
  const [, version] = /^forwards(?:_at)?([46])$/.exec(set) ?? [];
  if (version !== undefined) return [`forwards${version}`, `forwards_at${version}`];
  return set === LINKS_SET ? [] : [set];
}

const hex = (bytes: Bytes): string => bytes.toHex();

/** Bytes of protocol and port in a key. */
const PORT_SIZE = 8;

/** What only one pod can have: a port of the host, or an address of a pod. */
function claim({ set, element: { key } }: Placed): string {
  if (set.startsWith("forwards")) return `port${set.slice(-1)} ${hex(key.subarray(-PORT_SIZE))}`;
  return `${set} ${hex(podAddress(set, key))}`;
}

function podAddress(set: string, key: Bytes): Bytes {
  const size = set.endsWith("4") ? 4 : 16;
  return set.startsWith("hairpin") ? key.subarray(size) : key.subarray(0, size);
}

/** Whether two elements that claim the same are for a common address of the host. */
function sameAddress(a: Placed, b: Placed): boolean {
  return a.set !== b.set || hex(a.element.key) === hex(b.element.key) ||
    !a.set.startsWith("forwards");
}

/** Says who has what. */
function conflictText(
  { set, element: { key } }: Placed,
  { forwards }: NatRequest,
  owner: NatOwner | undefined,
): string {
  const who = owner === undefined ? "somebody else" : `pod ${owner.uuid.slice(0, 8)}`;
  if (!set.startsWith("forwards")) {
    return `the address ${ipText(podAddress(set, key))} belongs to ${who} already${
      owner === undefined ? "" : ` (of ${owner.dataDir})`
    }; do two networks have the same range?`;
  }
  const [number] = key.subarray(-PORT_SIZE);
  const port = readBe16(key.subarray(4 - PORT_SIZE));
  const protocol = number === PROTOCOLS.tcp ? "tcp" : "udp";
  const forward = forwards.find((each) =>
    each.protocol === protocol && port >= each.hostPort && port < each.hostPort + each.count
  );
  const flag = forward === undefined ? "--port" : flagText(forward);
  return `${flag}: ${who} has port ${port}/${protocol} of the host; choose another one`;
}
