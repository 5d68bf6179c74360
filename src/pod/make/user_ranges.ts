/** Ranges of users for pods that have their own, and the maps of their namespaces. stage1/root/private_users.ts uses them. */
import type { IdKind, PrivateUsers } from "../../../stage1/root/pod_users.ts";
import { COUNT, MOST_RANGES } from "../../../stage1/root/private_users.ts";

/**
 * A range of users, by chance: two pods with the same one could touch each other's files, were they to see them.
 *
 * @param own how many users this process' own namespace has, where it is not the host's; user 0 is no part of a range
 * @returns undefined where it has too few
 */
export function newPrivateUsers(own?: number): PrivateUsers | undefined {
  const random = new DataView(crypto.getRandomValues(new Uint8Array(4)).buffer).getUint32(0);
  if (own === undefined) return { shift: (1 + random % MOST_RANGES) * COUNT, count: COUNT };
  const ranges = Math.floor((own - 1) / COUNT);
  return ranges < 1 ? undefined : { shift: 1 + (random % ranges) * COUNT, count: COUNT };
}

/** The pod's ID of one of the host's; one that the pod does not have stays. */
export function toPodId(id: number, { shift, count, kept }: PrivateUsers, kind: IdKind): number {
  if (id === 0 && kept !== undefined) return kept[kind];
  return id >= shift && id < shift + count ? id - shift : id;
}

/** The text of uid_map or gid_map (user_namespaces(7)). */
export function mapText({ shift, count, kept }: PrivateUsers, kind: IdKind): string {
  const own = kept?.[kind];
  if (own === undefined) return `0 ${shift} ${count}\n`;
  const [below, above] = [Math.min(own, count), count - own - 1];
  return [
    ...below > 0 ? [`0 ${shift} ${below}`] : [],
    `${own} 0 1`,
    ...above > 0 ? [`${own + 1} ${shift + own + 1} ${above}`] : [],
  ].map((line) => `${line}\n`).join("");
}
