/** Whose files trees get that this process writes. */
import type { Ownership } from "../aci/write_options.ts";
import { isHostRoot, ownUserCount, ownUsers } from "../linux/own_users.ts";

/** Whose a file is whose owner this namespace does not have: nobody's, as the kernel shows such files (user_namespaces(7)). */
const OVERFLOW = 65_534;

/**
 * Root keeps owners. In a user namespace there are no device nodes to be made, and where that has one user, no other owners;
 * a user who is not root of anything makes files of his own.
 */
export function ownership(): Ownership {
  const keeps = Deno.uid() === 0 && ownUsers() !== "one";
  return { privileged: keeps, nodes: isHostRoot(), ...keeps && !isHostRoot() && withinRange() };
}

/** Owners beyond the users that were given: an image with a few such files runs all the same. */
export function withinRange(count: number = ownUserCount()): Pick<Ownership, "mapUid" | "mapGid"> {
  const map = (id: number) => id < count ? id : OVERFLOW;
  return { mapUid: map, mapGid: map };
}
