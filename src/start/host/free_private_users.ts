/** A range of users for a pod that is to have its own. */
import { Failure } from "../../failure.ts";
import { ownUserCount, ownUsers } from "../../linux/own_users.ts";
import type { PrivateUsers } from "../../../stage1/root/pod_users.ts";
import { newPrivateUsers } from "../../pod/make/user_ranges.ts";

/**
 * A range of the host's users, or of those that the calling user was given.
 *
 * @throws {Failure} he was not given enough of them
 */
export function freePrivateUsers(): PrivateUsers {
  const users = newPrivateUsers(ownUsers() === "all" ? undefined : ownUserCount());
  if (users !== undefined) return users;
  throw new Failure(
    "users of its own take 65536 users for the pod, and you were not given so many: " +
      "`rkt check --rootless` says how to get them",
  );
}
