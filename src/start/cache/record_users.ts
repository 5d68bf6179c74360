/**
 * The part of a recipe about users of the pod's own: every pod has another range of them, so where it stands in the
 * program is found out, and each new one is written there.
 *
 * Where that is, a comparison tells: the plan is assembled once more with another range. A range begins at a multiple of
 * 65536, so all that differs is the upper half of numbers, and the text in the pod's directory.
 */
import { program } from "../../../stage1/engine/launch.ts";
import type { Pod, PodEntry, PrivateUsers } from "../../../stage1/pod.ts";
import { podPlan } from "../../../stage1/processes/pod_plan.ts";
import {
  newPrivateUsers,
  PRIVATE_USERS,
  privateUsersText,
} from "../../../stage1/root/private_users.ts";
import type { UsersHoles } from "../../../stage1/launcher/replay_users.ts";
import { planParts } from "../plan_parts.ts";
import { occurrences, overwrite } from "../replace_process.ts";
import { sameBytes } from "./conditions.ts";

/** Finds where the users stand in the program of a pod; undefined where that can't be told. */
export async function usersRecipe(
  pod: Pod,
  executable: Uint8Array,
): Promise<UsersHoles | undefined> {
  const { privateUsers: users } = pod;
  if (users === undefined) return undefined;
  const text = privateUsersText(users);
  const other = differing(users, text.length);
  const second = program(podPlan(withUsers(pod, users, other), await planParts(pod)));
  if (second.length !== executable.length) return undefined;
  const textAt = occurrences(executable, text);
  const inText = (at: number) => textAt.some((from) => at >= from && at < from + text.length);
  const numbersAt: number[] = [];
  for (let at = 0; at < executable.length; at++) {
    if (executable[at] === second[at] || inText(at)) continue;
    numbersAt.push(at); // both bytes of the number differ
    at++;
  }
  const digits = `${users.shift}`.length;
  const holes: UsersHoles = { numbersAt, digitsAt: textAt, digits };
  return sameBytes(withRange(executable, holes, other), second) ? holes : undefined;
}

/** A program with another range in the places of its own one. */
function withRange(
  executable: Uint8Array,
  { numbersAt, digitsAt }: UsersHoles,
  { shift, count }: PrivateUsers,
): Uint8Array {
  const patched = executable.slice();
  const number = shift / count;
  for (const at of numbersAt) patched.set([number & 0xff, number >> 8], at);
  overwrite(patched, digitsAt, `${shift}`);
  return patched;
}

/** A range of users by chance, whose text has some length. */
function usersOfLength(length: number): PrivateUsers {
  while (true) {
    const users = newPrivateUsers();
    if (privateUsersText(users).length === length) return users;
  }
}

/** Another range, whose number differs in both of its bytes, and whose text is as long. */
function differing(users: PrivateUsers, length: number): PrivateUsers {
  const number = users.shift / users.count;
  while (true) {
    const other = usersOfLength(length);
    const difference = number ^ (other.shift / other.count);
    if ((difference & 0xff) !== 0 && difference >> 8 !== 0) return other;
  }
}

function withUsers(pod: Pod, users: PrivateUsers, other: PrivateUsers): Pod {
  const moved = (id: number) => id - users.shift + other.shift;
  const entries = pod.entries.map((entry): PodEntry =>
    entry.kind === "owned"
      ? { ...entry, uid: moved(entry.uid), gid: moved(entry.gid) }
      : entry.kind === "file" && entry.path === PRIVATE_USERS
      ? { ...entry, text: privateUsersText(other) }
      : entry
  );
  return { ...pod, entries, privateUsers: other };
}
