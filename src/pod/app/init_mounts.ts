/** The mount namespaces that the init of a running pod holds for its apps (stage1/root/app_mounts.ts). */
import { ERRNO } from "../../linux/errno.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import type { Process } from "../../linux/process.ts";
import { cstring, trySyscall } from "../../linux/syscall.ts";
import * as k from "../../linux/constants.ts";
import { EXIT_FAILURE } from "../../../stage1/engine/abort.ts";
import { type Section, type Slot, slot, struct } from "../../../stage1/engine/plan.ts";
import { OPEN_HOW_SIZE } from "../../../stage1/steps/mounts.ts";
import { inHelperChild } from "../../../stage1/steps/in_helper_child.ts";
import { ifThere } from "../../linux/exists.ts";

/** `struct open_how` that goes into no other mount. */
const SAME_MOUNT = struct(
  "open_how",
  ["flags", 8, k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC],
  ["mode", 8, 0],
  ["resolve", 8, k.RESOLVE_NO_XDEV | k.RESOLVE_NO_SYMLINKS],
);

/** Opens the namespaces; none of a pod whose init has the apps' mounts itself. */
function openHeldMounts({ pid }: Process): readonly number[] {
  const directory = `/proc/${pid}/fd`;
  // Init may have ended.
  return ifThere(() =>
    Array.from(Deno.readDirSync(directory), ({ name }) => `${directory}/${name}`)
      .filter((path) => Deno.readLinkSync(path).startsWith("mnt:["))
      .map((path) => trySyscall("openat", k.AT_FDCWD, cstring(path), k.O_RDONLY | k.O_CLOEXEC, 0))
      .filter((fd) => fd >= 0)
  ) ?? [];
}

/** Steps that open the root of an app, a mount, in whichever of some namespaces it is. */
export const openInOneOf =
  (namespaces: readonly number[], path: string) => (steps: Section): Slot => {
    const root = slot("root");
    const other = slot("not a mount");
    for (const namespace of namespaces) {
      steps.must("join the mounts of an app", "setns", [namespace, k.CLONE_NEWNS]);
      steps.attempt("is the root mounted here?", "openat2", [
        k.AT_FDCWD,
        path,
        SAME_MOUNT,
        OPEN_HOW_SIZE,
      ], { store: other, branch: { when: "equal", operand: -ERRNO.EXDEV, to: "mounted here" } });
      steps.attempt("close what is another app's", "close", [other]);
    }
    steps.attempt("nobody holds it", "exit_group", [EXIT_FAILURE]);
    steps.label("mounted here");
    steps.must(`open ${path}`, "openat", [
      k.AT_FDCWD,
      path,
      k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC | k.O_NOFOLLOW,
      0,
    ], { store: root });
    return root;
  };

/**
 * Opens the root of an app in a namespace that init holds for it, or in init's own. Only a mount is one: where init has the root
 * of its only app (stage1/root/app_mounts.ts), what lies at the path is the app's.
 *
 * @param path where the root is in init's root
 * @returns the descriptor
 * @throws {Failure}
 */
export function openHeldRoot(init: Process, path: string): number {
  const namespaces = openHeldMounts(init);
  try {
    return inHelperChild("look into the app", openInOneOf([...namespaces, init.fd], path));
  } finally {
    namespaces.forEach(closeDescriptor);
  }
}
