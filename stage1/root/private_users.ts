/**
 * User namespaces: the pod's root is an ordinary user of the host.
 *
 * Stage 0 makes the namespace, because a process outside of it must write its maps. An intermediate process between the
 * supervisor and init opens what only the host's root can open, enters the namespace and forks init there; so the user
 * namespace owns all other namespaces of the pod. Then the intermediate process ends.
 */
import { spawnIntermediate } from "../steps/intermediate_process.ts";
import { attributes, MOUNT_ATTR_SIZE } from "../steps/mounts.ts";
import * as k from "../../src/linux/constants.ts";
import { textHole, userHole } from "../engine/hole.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";
import type { IdKind, PrivateUsers } from "./pod_users.ts";

/** How many users a pod has, and how many such ranges there are within the 31 bits that all programs can handle. */
export const COUNT = 65_536;
export const MOST_RANGES = 0x7fff;

/** Whether another range can be filled in each time: those of a user's namespace begin elsewhere. */
export const isFilledIn = ({ shift, kept }: PrivateUsers): boolean =>
  shift % COUNT === 0 && kept === undefined;

/** Nobody, as the kernel calls users that a namespace does not have (/proc/sys/kernel/overflowuid). */
const NOBODY = 65_534;

/** The host's ID of one of the pod's users. An ID that the pod does not have becomes that of nobody. */
export function toHostId(id: number, users: PrivateUsers | undefined, kind: IdKind): number {
  if (users === undefined) return id;
  if (id === users.kept?.[kind]) return 0;
  return users.shift + (id < users.count ? id : NOBODY);
}

/** A host's ID of the range as a plan has it. */
export const idInPlan = (
  { privateUsers, holes }: Pick<Pod, "privateUsers" | "holes">,
  id: number,
) =>
  holes === true && privateUsers !== undefined && isFilledIn(privateUsers)
    ? userHole(id - privateUsers.shift)
    : id;

/** The range as it stands in a pod's directory; behind it the user and group that are the caller's, where some are. */
export const privateUsersText = ({ shift, count, kept }: PrivateUsers): string =>
  `${shift}:${count}${kept === undefined ? "" : `:${kept.uid}:${kept.gid}`}`;

/** The same as a plan has it: of so many digits as this range, or with a hole for it. */
export const usersTextInPlan = ({ shift, count }: PrivateUsers): string =>
  `${textHole("digits", `${shift}`.length)}:${count}`;

/** The file in the pod's directory that says so. */
export const PRIVATE_USERS = "private-users-prepared";

/** The descriptor of the user namespace: a number that is known when the plan is made. */
export const USER_NAMESPACE = 202;

/** The descriptors by which overlayfs finds its layers; see {@linkcode layerPath}. */
const LAYERS = 220;

/**
 * The supervisor makes the intermediate process, and goes on when that has made init.
 *
 * @param init gets init's PID
 */
export function spawnInitsParent(steps: Section, init: Slot): void {
  spawnIntermediate(steps, {
    what: "make the intermediate process",
    label: "intermediate process",
    made: init,
    next: "init is made",
    missing: "it has said why there is no init",
  });
  steps.label("init is made");
}

/**
 * The first steps of the intermediate process. Mounts must not propagate between it and the host: where the host's
 * mounts are shared, copies of them are shared too, and a shared mount can't become a root (pivot_root(2)).
 */
export function leaveHostMounts(steps: Section): void {
  steps.must("have mounts of its own", "unshare", [k.CLONE_NEWNS]);
  steps.must("keep mounts from reaching the host", "mount", [
    "none",
    "/",
    0,
    k.MS_REC | k.MS_PRIVATE,
    0,
  ]);
}

/** The last steps of the intermediate process: it enters the user namespace and makes init there. */
export function forkInit(steps: Section, namespaces: number, init: Slot): void {
  steps.heading("intermediate process: the user namespace");
  // Init works in this directory, and could not enter it: a user of the namespace can't pass the pod's directory.
  steps.must("enter the place of init's root", "chdir", ["stage1/rootfs"]);
  becomePodRoot(steps);
  steps.must("make the pod's namespaces and init", "clone", [
    namespaces | k.CLONE_PARENT | k.SIGCHLD,
    0,
    0,
    0,
    0,
  ], { store: init });
  steps.when(init, 0, "init");
  steps.attempt("end the intermediate process", "exit_group", [0]);
}

/** Into the pod's user namespace, as its root. */
export function becomePodRoot(steps: Section): void {
  steps.must("enter the pod's user namespace", "setns", [USER_NAMESPACE, k.CLONE_NEWUSER]);
  steps.must("have no other groups", "setgroups", [0, 0]);
  steps.must("become the pod's root group", "setresgid", [0, 0, 0]);
  steps.must("become the pod's root", "setresuid", [0, 0, 0]);
}

/** Maps the IDs of a mount from the image's users to the pod's. */
const IDMAPPED = attributes(k.MOUNT_ATTR_IDMAP, USER_NAMESPACE);

/**
 * A layer for overlayfs that shows the image's users as those of the pod.
 *
 * @param number of the layer; what had it before is closed
 * @returns the path by which the option of a mount can name it
 */
export function idmapLayer(steps: Section, what: string, path: string, number: number): string {
  const layer = slot("layer");
  const fd = LAYERS + number;
  steps.must(what, "open_tree", [
    k.AT_FDCWD,
    path,
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
  ], { store: layer });
  steps.must(what, "mount_setattr", [layer, "", k.AT_EMPTY_PATH, IDMAPPED, MOUNT_ATTR_SIZE], {
    hint: "this needs a kernel and a file system with ID-mapped mounts; else take --no-overlay",
  });
  steps.must(what, "dup3", [layer, fd, k.O_CLOEXEC]);
  steps.attempt("close it", "close", [layer]);
  steps.keep(
    fd,
    "overlayfs finds the layer by its name in /proc, and it is mounted as long as the pod lives",
  );
  return `/proc/self/fd/${fd}`;
}
