/** What the holes of a pod's program are filled with, at a first start and when rkt helps with a repeated one. */
import { type HoleName, type HoleValues, textHole } from "../../stage1/engine/hole.ts";
import type { NetworkTearDown, Pod } from "../../stage1/pod.ts";

const encoder = new TextEncoder();

/** What stands for the UUID in the texts of a pod whose program has holes. */
export const UUID_HOLE = textHole("uuid", 36);

/** What stands for the pod's address in its file of hosts. */
export const addressHole = (address: string): string => textHole("address", address.length);

/** What a start fills into the holes of its program. */
export function holeValues({ uuid, privateUsers, network }: Pod): HoleValues {
  const joined = network.kind === "joined" ? network : undefined;
  return new Map<HoleName, Uint8Array>([
    ["uuid", encoder.encode(uuid)],
    ...privateUsers === undefined || privateUsers.shift % privateUsers.count !== 0 ? [] : [
      ["users", new Uint8Array(new Uint16Array([privateUsers.shift / privateUsers.count]).buffer)],
      ["digits", encoder.encode(`${privateUsers.shift}`)],
    ] as const,
    ...joined === undefined ? [] : networkValues(joined.tearDown, joined.address),
  ]);
}

/** What a pod's networks are taken down with, and its address where it stands in its file of hosts. */
export function networkValues(
  { messages, files }: NetworkTearDown,
  address: string | undefined,
): readonly (readonly [HoleName, Uint8Array])[] {
  return [
    ...messages.map((bytes, i) => [`message ${i}`, bytes] as const),
    ...files.map((path, i) => [`file ${i}`, encoder.encode(path)] as const),
    ...address === undefined ? [] : [["address", encoder.encode(address)] as const],
  ];
}
