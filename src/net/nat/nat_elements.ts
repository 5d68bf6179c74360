/** The elements that a pod has in the sets of the table `inet rkt` (nat_table.ts). */
import { Failure } from "../../failure.ts";
import { type Bytes, concat } from "../../linux/bytes.ts";
import {
  type IpAddress,
  type IpPrefix,
  isAny,
  lastOf,
  networkOf,
  single,
} from "../model/address.ts";
import { be16, type Message, text, u8 } from "../kernel/message.ts";
import { LINKS_SET, setName, type SetPurpose, TABLE } from "./nat_table.ts";
import {
  deleteElements,
  expiringElements,
  newElements,
  type SetElement,
} from "../kernel/nft_set.ts";
import {
  flagText,
  type Forward,
  type ForwardTarget,
  type NatRequest,
  PROTOCOLS,
  targets,
  targetsOf,
} from "../model/forward.ts";
import type { PodRef } from "../model/pod_ref.ts";

/** An element, and the name of its set. */
export interface SetElementRef {
  readonly set: string;
  readonly element: SetElement;
}

/** Groups elements by their sets, and makes the messages for each set. */
export function elementMessages(
  refs: readonly SetElementRef[],
  messages: (set: string, elements: readonly SetElement[]) => readonly Message[],
): readonly Message[] {
  const sets = new Map<string, SetElement[]>();
  for (const { set, element } of refs) {
    const elements = sets.get(set);
    if (elements === undefined) sets.set(set, [element]);
    else elements.push(element);
  }
  return [...sets].flatMap(([set, elements]) => messages(set, elements));
}

/** Inserts elements into a set. Those of links may exist already, because pods share them. */
export const insertion = (set: string, elements: readonly SetElement[]): readonly Message[] =>
  newElements(TABLE, set, elements, set !== LINKS_SET);

/** Deletes elements of a set. */
export const deletion = (set: string, elements: readonly SetElement[]): readonly Message[] =>
  deleteElements(TABLE, set, elements);

/** Lets elements of a set end by themselves. */
export const expiry = (set: string, elements: readonly SetElement[]): readonly Message[] =>
  expiringElements(TABLE, set, elements);

/** The most bytes of a data directory in a comment. nft keeps at most 253 bytes of a whole comment. */
const DIRECTORY_LENGTH = 200;
const CUT = "…";

/** A data directory as comments hold it. Only the end of a very long path is kept. */
export function shortened(dataDir: string): string {
  const bytes = new TextEncoder().encode(dataDir);
  if (bytes.length <= DIRECTORY_LENGTH) return dataDir;
  return CUT + new TextDecoder().decode(bytes.subarray(-DIRECTORY_LENGTH));
}

/** The comment of a pod's elements: `UUID DATADIR`. */
const ownerText = ({ uuid, dataDir }: PodRef): string => `${uuid} ${shortened(dataDir)}`;

/** The pod that an element belongs to; undefined for one that pods share. */
export function ownerOf({ comment }: SetElement): PodRef | undefined {
  const [, uuid, dataDir] = /^([0-9a-f-]{36}) (.+)$/.exec(comment ?? "") ?? [];
  return uuid === undefined || dataDir === undefined ? undefined : { uuid, dataDir };
}

/** Whether a comment holds only the end of its data directory's path. */
export const isCut = ({ dataDir }: PodRef): boolean => dataDir.startsWith(CUT);

/** The elements that masquerade a pod. */
export function masqueradeElements(request: NatRequest): readonly SetElementRef[] {
  const comment = ownerText(request);
  const ref = (purpose: SetPurpose, address: IpAddress, element: SetElement): SetElementRef => ({
    set: setName(purpose, address),
    element: { ...element, comment },
  });
  return request.masqueraded.flatMap((prefix) => [
    ref("masqueraded", prefix.address, { key: prefix.address }),
    ref("direct", prefix.address, range(single(prefix), prefix)),
  ]);
}

/** The range of all pairs of an address of `first` and one of `second`. */
function range(first: IpPrefix, second: IpPrefix): SetElement {
  return {
    key: concat(networkOf(first).address, networkOf(second).address),
    keyEnd: concat(lastOf(first), lastOf(second)),
  };
}

/**
 * The elements that forward ports to a pod.
 *
 * @throws {Failure} the pod has no address of the forward's family
 */
export function forwardElements(request: NatRequest): readonly SetElementRef[] {
  const { forwards, target } = request;
  if (forwards.length === 0) return [];
  if (target === undefined) throw new Error("forwards need a target");
  const comment = ownerText(request);
  const elements = forwards.flatMap((forward) => portElements(forward, target));
  const own = target.switched ? [] : linkElements(target);
  return [...elements, ...hairpinElements(target), ...own]
    .map(({ set, element }) => ({ set, element: { ...element, comment } }));
}

function portElements(forward: Forward, target: ForwardTarget): readonly SetElementRef[] {
  const { hostIp, hostPort, podPort, count } = forward;
  const to = targetsOf(forward, target);
  if (to.length === 0) {
    const kind = hostIp === undefined ? "" : hostIp.length === 4 ? "IPv4 " : "IPv6 ";
    throw new Failure(
      `${flagText(forward)}: the pod has no ${kind}address on the network to forward to`,
    );
  }
  return to.flatMap(({ address }) =>
    Array.from({ length: count }, (_, i): SetElementRef => {
      const port = portKey(forward.protocol, hostPort + i);
      const value = concat(address, padded(be16(podPort + i)));
      return hostIp === undefined || isAny(hostIp)
        ? { set: setName("forwards", address), element: { key: port, value } }
        : {
          set: setName("forwards_at", address),
          element: { key: concat(hostIp, port), value },
        };
    })
  );
}

/** A port of the host, as it stands in the keys of maps. */
export const portKey = (protocol: keyof typeof PROTOCOLS, port: number): Bytes =>
  concat(padded(u8(PROTOCOLS[protocol])), padded(be16(port)));

/** nftables fills each part of a concatenation up to four bytes. */
const padded = (bytes: Bytes): Bytes => concat(bytes, new Uint8Array(4 - bytes.length));

/** Sources that reach the pod with the host's address: the pod's answers to them would bypass the host, or go nowhere. */
function hairpinElements(target: ForwardTarget): readonly SetElementRef[] {
  return targets(target).flatMap((prefix) => {
    const { address } = prefix;
    const everybody: IpPrefix = { address: new Uint8Array(address.length), length: 0 };
    const near = [
      LOOPBACK[address.length === 4 ? 4 : 6],
      target.switched ? prefix : single(prefix),
    ];
    return (target.routed ? near : [everybody]).map((from) => ({
      set: setName("hairpin", address),
      element: range(from, single(prefix)),
    }));
  });
}

const LOOPBACK: Readonly<Record<4 | 6, IpPrefix>> = {
  4: { address: new Uint8Array([127, 0, 0, 0]), length: 8 },
  6: { address: new Uint8Array([...Array(15).fill(0), 1]), length: 128 },
};

/** Bytes of the name of a link (include/uapi/linux/if.h). */
const IFNAMSIZ = 16;

/** The element for the link by which answers to 127.0.0.1 come in. */
export function linkElements(target: ForwardTarget): readonly SetElementRef[] {
  const { link } = target;
  if (link === undefined || targets(target).every(({ address }) => address.length !== 4)) return [];
  const name = text(link);
  const key = concat(name, new Uint8Array(IFNAMSIZ - name.length));
  return [{ set: LINKS_SET, element: { key } }];
}

/** The name of the link that an element of the set of links holds. */
export const linkOf = ({ key }: SetElement): string =>
  new TextDecoder().decode(key).replace(/\0.*$/s, "");
