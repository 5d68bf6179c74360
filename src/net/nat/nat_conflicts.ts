/** Finds the elements that conflict with a pod's, and decides whether they may be replaced. */
import { Failure } from "../../failure.ts";
import type { Bytes } from "../../linux/bytes.ts";
import { ipText } from "../model/address.ts";
import { readBe16 } from "../kernel/message.ts";
import { isCut, ownerOf, type SetElementRef } from "./nat_elements.ts";
import { LINKS_SET } from "./nat_table.ts";
import type { SetElement } from "../kernel/nft_set.ts";
import { flagText, type NatRequest, PROTOCOLS } from "../model/forward.ts";
import type { PodRef } from "../model/pod_ref.ts";

/**
 * The elements that must be deleted before the wanted ones are inserted. All of them belong to dead pods.
 *
 * @param read reads the elements of a set
 * @throws {Failure} one belongs to a running pod, or to nobody that is known
 */
export function displaced(
  wanted: readonly SetElementRef[],
  request: NatRequest,
  read: (set: string) => readonly SetElement[],
  alive: (owner: PodRef) => boolean,
): readonly SetElementRef[] {
  const claims = new Map<string, SetElementRef[]>();
  for (const set of new Set(wanted.flatMap(({ set }) => rivals(set)))) {
    for (const element of read(set)) {
      const claimed = { set, element };
      const key = claim(claimed);
      claims.set(key, [...claims.get(key) ?? [], claimed]);
    }
  }
  const inTheWay = new Set<SetElementRef>();
  for (const claimed of wanted) {
    for (const other of claims.get(claim(claimed)) ?? []) {
      if (sameAddress(claimed, other)) inTheWay.add(other);
    }
  }
  for (const claimed of inTheWay) {
    const owner = ownerOf(claimed.element);
    if (owner !== undefined && !isCut(owner) && !alive(owner)) continue;
    throw new Failure(conflictText(claimed, request, owner));
  }
  return [...inTheWay];
}

/** The sets whose elements can conflict with those of a set. */
function rivals(set: string): readonly string[] {
  const [, version] = /^forwards(?:_at)?([46])$/.exec(set) ?? [];
  if (version !== undefined) return [`forwards${version}`, `forwards_at${version}`];
  return set === LINKS_SET ? [] : [set];
}

const hex = (bytes: Bytes): string => bytes.toHex();

/** The size of protocol and port in a key, in bytes. */
const PORT_SIZE = 8;

/** Names what only one pod can have: a port of the host, or an address of a pod. */
function claim({ set, element: { key } }: SetElementRef): string {
  if (set.startsWith("forwards")) return `port${set.slice(-1)} ${hex(key.subarray(-PORT_SIZE))}`;
  return `${set} ${hex(podAddress(set, key))}`;
}

function podAddress(set: string, key: Bytes): Bytes {
  const size = set.endsWith("4") ? 4 : 16;
  return set.startsWith("hairpin") ? key.subarray(size) : key.subarray(0, size);
}

/** Whether two elements with the same claim have an address of the host in common. */
function sameAddress(a: SetElementRef, b: SetElementRef): boolean {
  return a.set !== b.set || hex(a.element.key) === hex(b.element.key) ||
    !a.set.startsWith("forwards");
}

/** The message about a conflict. */
function conflictText(
  { set, element: { key } }: SetElementRef,
  { forwards }: NatRequest,
  owner: PodRef | undefined,
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
