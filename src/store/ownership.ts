/** Whose files trees get that this process writes. */
import type { Ownership } from "../aci/write_options.ts";
import { isHostRoot, ownUsers } from "../linux/own_users.ts";

/**
 * Root keeps owners. In a user namespace there are no device nodes to be made, and where that has one user, no other owners;
 * a user who is not root of anything makes files of his own.
 */
export function ownership(): Ownership {
  return { privileged: Deno.uid() === 0 && ownUsers() !== "one", nodes: isHostRoot() };
}
