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
import { be16, type Message, u8 } from "../kernel/message.ts";
import { LINKS_SET, setName, type SetPurpose, TABLE } from "./nat_table.ts";
import { deleteElements, newElements, type SetElement } from "../kernel/nft_set.ts";
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

/** An element, in the set of a name. */
export interface SetElementRef {
  readonly set: string;
  readonly element: SetElement;
}

/** The messages for elements: each set's together. */
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

/** Inserts elements of a set. Those of links, which pods share, may be there. */
export const insertion = (set: string, elements: readonly SetElement[]): readonly Message[] =>
  newElements(TABLE, set, elements, set !== LINKS_SET);

/** Deletes elements of a set. */
export const deletion = (set: string, elements: readonly SetElement[]): readonly Message[] =>
  deleteElements(TABLE, set, elements);

/** Bytes of a comment that are left for the data directory; nft keeps at most 253 of all. */
const DIRECTORY_LENGTH = 200;
const CUT = "…";

/** A data directory as comments have it: of a very long path the end. */
export function shortened(dataDir: string): string {
  const bytes = new TextEncoder().encode(dataDir);
  if (bytes.length <= DIRECTORY_LENGTH) return dataDir;
  return CUT + new TextDecoder().decode(bytes.subarray(-DIRECTORY_LENGTH));
}

/** The comment of a pod's elements: `UUID DATADIR`. */
const ownerText = ({ uuid, dataDir }: PodRef): string => `${uuid} ${shortened(dataDir)}`;

/** Whose an element is; undefined for one that is no pod's. */
export function ownerOf({ comment }: SetElement): PodRef | undefined {
  const [, uuid, dataDir] = /^([0-9a-f-]{36}) (.+)$/.exec(comment ?? "") ?? [];
  return uuid === undefined || dataDir === undefined ? undefined : { uuid, dataDir };
}

/** Whether a comment has a part only of the path of the data directory. */
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

/** Pairs of addresses of two networks. */
function range(first: IpPrefix, second: IpPrefix): SetElement {
  return {
    key: concat(networkOf(first).address, networkOf(second).address),
    keyEnd: concat(lastOf(first), lastOf(second)),
  };
}

/**
 * The elements that forward ports to a pod.
 *
 * @throws {Failure} the pod has no address of the family that is forwarded from
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

/** A port of the host in the keys of maps. */
export const portKey = (protocol: keyof typeof PROTOCOLS, port: number): Bytes =>
  concat(padded(u8(PROTOCOLS[protocol])), padded(be16(port)));

/** Parts of concatenations are filled up to four bytes. */
const padded = (bytes: Bytes): Bytes => concat(bytes, new Uint8Array(4 - bytes.length));

/** Those whose connections the pod would answer past the host, or can't answer at all, come to it with the host's address. */
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

/** The element of the link through which answers to 127.0.0.1 come in. */
export function linkElements(target: ForwardTarget): readonly SetElementRef[] {
  const { link } = target;
  if (link === undefined || targets(target).every(({ address }) => address.length !== 4)) return [];
  const key = new Uint8Array(16);
  key.set(new TextEncoder().encode(link));
  return [{ set: LINKS_SET, element: { key } }];
}

/** The name in an element of the set of links. */
export const linkOf = ({ key }: SetElement): string =>
  new TextDecoder().decode(key).replace(/\0.*$/s, "");
