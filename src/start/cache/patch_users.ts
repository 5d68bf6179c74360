/** Users of its own for a pod that is started from a recipe; see users_recipe.ts. */
import type { PrivateUsers } from "../../../stage1/pod.ts";
import { setCloseOnExec } from "../../linux/lock.ts";
import { makeUserNamespace } from "../../pod/make/private_users.ts";
import {
  newPrivateUsers,
  privateUsersText,
  USER_NAMESPACE,
} from "../../../stage1/root/private_users.ts";
import { overwrite } from "../replace_process.ts";

/** Where the users of a pod stand in its program. */
export interface UsersRecipe {
  /** The upper halves of numbers: two bytes, little-endian. */
  readonly numbersAt: readonly number[];
  /** The text of the range, and its length. */
  readonly textAt: readonly number[];
  readonly length: number;
}

/** A range of users by chance, whose text has some length. */
export function usersOfLength(length: number): PrivateUsers {
  while (true) {
    const users = newPrivateUsers();
    if (privateUsersText(users).length === length) return users;
  }
}

/** Writes a range of users into a program. */
export function overwriteUsers(
  executable: Uint8Array,
  { numbersAt, textAt }: UsersRecipe,
  users: PrivateUsers,
): void {
  const number = users.shift / users.count;
  for (const at of numbersAt) executable.set([number & 0xff, number >> 8], at);
  overwrite(executable, textAt, privateUsersText(users));
}

/** Gives a program new users, whose namespace is open then. */
export function usersAgain(executable: Uint8Array, recipe: UsersRecipe): void {
  const users = usersOfLength(recipe.length);
  overwriteUsers(executable, recipe, users);
  makeUserNamespace(users, false);
  setCloseOnExec(USER_NAMESPACE, false);
}
