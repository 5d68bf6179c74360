/** The user namespace of a pod with users of its own. */
import type { PrivateUsers } from "../../../stage1/root/pod_users.ts";
import { Failure } from "../../failure.ts";
import { ownUsers } from "../../linux/own_users.ts";
import { cstring, syscall, trySyscall } from "../../linux/syscall.ts";
import { runInProcess } from "../../../stage1/engine/in_process.ts";
import * as k from "../../linux/constants.ts";
import { type Plan, Section, type Slot, slot } from "../../../stage1/engine/plan.ts";
import { COUNT, PRIVATE_USERS, USER_NAMESPACE } from "../../../stage1/root/private_users.ts";
import { mapText } from "./user_ranges.ts";
import { type PodView, readPodFile } from "../directory/pod_directory.ts";

/**
 * The range of a pod that is complete. Absent where its users are the host's.
 *
 * @throws {Failure} where the file says something else
 */
export function privateUsersOf(pod: Pick<PodView, "path" | "uuid">): PrivateUsers | undefined {
  const text = readPodFile(pod, PRIVATE_USERS);
  if (text === undefined) return undefined;
  const [, shift, count, uid, gid] =
    /^(\d{1,10}):(\d{1,10})(?::([1-9]\d{0,9}):([1-9]\d{0,9}))?\s*$/.exec(text) ?? [];
  const least = ownUsers() === "all" ? COUNT : 1;
  if (shift === undefined || Number(shift) < least || Number(count) !== COUNT) {
    throw new Failure(`pod "${pod.uuid}": ${PRIVATE_USERS} is not a range of users`);
  }
  const kept = uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
  return { shift: Number(shift), count: Number(count), ...kept && { kept } };
}

/**
 * The plan of a child that lives in new namespaces until it is killed; the slot gets its PID, or an error.
 *
 * @param namespaces flags `CLONE_NEW*`
 */
export function namespacePlan(namespaces: number): { readonly plan: Plan; readonly child: Slot } {
  const child = slot("child");
  const steps = new Section();
  steps.attempt("make namespaces", "clone", [namespaces | k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
    branch: { when: "different", operand: 0, to: "parent" },
  });
  steps.attempt("die with the parent", "prctl", [k.PR_SET_PDEATHSIG, k.SIGKILL]);
  steps.label("sleep");
  steps.attempt("wait to be killed", "ppoll", [0, 0, 0, 0, 0]);
  steps.goto("sleep");
  steps.label("parent");
  steps.compute("return", []);
  return { plan: { setup: steps.items, resident: [] }, child };
}

/**
 * Makes a user namespace, and leaves it open as {@linkcode USER_NAMESPACE}, closed on exec.
 *
 * @param withNetwork also makes a network namespace that belongs to it
 * @returns a descriptor of that, closed on exec; or -1
 * @throws {Failure} the kernel refuses user namespaces
 */
export function makeUserNamespace(users: PrivateUsers, withNetwork: boolean): number {
  // A namespace lives in a process until it is open, and its maps are written from outside. The child sleeps till then.
  const { plan, child } = namespacePlan(
    k.CLONE_NEWUSER | (withNetwork ? k.CLONE_NEWNET : 0),
  );
  const pid = Number(runInProcess(plan)(child));
  if (pid < 0) {
    throw new Failure(
      "--private-users: this kernel makes no user namespace (is user.max_user_namespaces 0?)",
    );
  }
  try {
    for (const kind of ["uid", "gid"] as const) {
      Deno.writeTextFileSync(`/proc/${pid}/${kind}_map`, mapText(users, kind));
    }
    const open = (name: string) => {
      const path = `/proc/${pid}/ns/${name}`;
      return syscall(`open ${path}`, "openat", k.AT_FDCWD, cstring(path), k.O_CLOEXEC, 0);
    };
    const user = open("user");
    syscall("keep the user namespace", "dup3", user, USER_NAMESPACE, k.O_CLOEXEC);
    trySyscall("close", user);
    return withNetwork ? open("net") : -1;
  } finally {
    trySyscall("kill", pid, k.SIGKILL);
    trySyscall("wait4", pid, 0, 0, 0);
  }
}

/** Linux 6.15 lets overlayfs have layers that are mounted nowhere; 6.1 was seen to refuse them. */
const LAYERS_SINCE = [6, 15] as const;

/** Whether the files of a directory can be shown as those of the users: not every file system and kernel lets them. */
export function shiftWorks(path: string, users: PrivateUsers): boolean {
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map((part) => parseInt(part, 10));
  if (major * 1000 + minor < LAYERS_SINCE[0] * 1000 + LAYERS_SINCE[1]) return false;
  makeUserNamespace(users, false);
  const flags = k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC;
  const mount = syscall(`open ${path}`, "open_tree", k.AT_FDCWD, cstring(path), flags);
  const attributes = new BigUint64Array([
    BigInt(k.MOUNT_ATTR_IDMAP),
    0n,
    0n,
    BigInt(USER_NAMESPACE),
  ]);
  const bytes = new Uint8Array(attributes.buffer);
  const result = trySyscall(
    "mount_setattr",
    mount,
    cstring(""),
    k.AT_EMPTY_PATH,
    bytes,
    bytes.length,
  );
  trySyscall("close", mount);
  return result === 0;
}
