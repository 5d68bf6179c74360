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
import { PRIVATE_USERS, privateUsersText } from "../../../stage1/root/private_users.ts";
import { overwriteUsers, usersOfLength, type UsersRecipe } from "./patch_users.ts";
import { occurrences } from "../replace_process.ts";

/** Finds where the users stand in the program of a pod; undefined where that can't be told. */
export function usersRecipe(pod: Pod, executable: Uint8Array): UsersRecipe | undefined {
  const { privateUsers: users } = pod;
  if (users === undefined) return undefined;
  const text = privateUsersText(users);
  const other = differing(users, text.length);
  const second = program(podPlan(withUsers(pod, users, other)));
  if (second.length !== executable.length) return undefined;
  const textAt = occurrences(executable, text);
  const inText = (at: number) => textAt.some((from) => at >= from && at < from + text.length);
  const numbersAt: number[] = [];
  for (let at = 0; at < executable.length; at++) {
    if (executable[at] === second[at] || inText(at)) continue;
    numbersAt.push(at); // both bytes of the number differ
    at++;
  }
  const recipe: UsersRecipe = { numbersAt, textAt, length: text.length };
  const patched = executable.slice();
  overwriteUsers(patched, recipe, other);
  return patched.every((byte, at) => byte === second[at]) ? recipe : undefined;
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
