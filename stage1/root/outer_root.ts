/**
 * The root of the mount namespace, where rkt itself runs in a chroot.
 *
 * There the root is some directory of a mount, or a mount on one. Mounts of the namespace can't be kept from reaching the
 * host by that name, and an app whose root took its place would stand on that directory: with CAP_SYS_CHROOT, which apps have
 * by default, it would find a way up (chroot(2)). So init leaves the chroot by that very way before it changes its root.
 */
import * as k from "../../src/linux/constants.ts";
import { type Section, slot } from "../engine/plan.ts";

/** More directories than a chroot and a data directory lie deep; at the root, `..` is the root. */
const UP = "../".repeat(160);

/**
 * Makes the root of the mount namespace the root of this process. All mounts of the namespace are its own then: in a chroot
 * only those below it were, and what is done with the others would reach the host.
 *
 * @param below a directory, or a mount, below the working directory
 * @param propagation `MS_PRIVATE` or `MS_SLAVE`
 */
export function climb(steps: Section, below: string, propagation: number): void {
  const what = "come to the root of the mounts";
  // The working directory is outside of this root, so nothing ends the way up.
  steps.must(what, "chroot", [below]);
  steps.must(what, "chdir", [UP]);
  steps.must(what, "chroot", ["."]);
  steps.must("keep all mounts from reaching the host", "mount", [...allMounts(propagation)]);
}

const allMounts = (propagation: number) => ["none", "/", 0, k.MS_REC | propagation, 0] as const;

/**
 * Keeps mounts from reaching the host.
 *
 * @param propagation `MS_PRIVATE` or `MS_SLAVE`
 */
export function keepMountsApart(steps: Section, propagation: number): void {
  const what = "keep mounts from reaching the host";
  const [result, root, here] = [slot("result"), slot("root"), slot("working directory")];
  steps.attempt(what, "mount", [...allMounts(propagation)], {
    store: result,
    branch: { when: "equal", operand: 0, to: "mounts are apart" },
  });
  // The root is no mount: it is a chroot's.
  const flags = k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC;
  steps.must("refer to the root", "openat", [k.AT_FDCWD, "/", flags, 0], { store: root });
  steps.must("refer to the pod's directory", "openat", [k.AT_FDCWD, ".", flags, 0], {
    store: here,
  });
  climb(steps, "stage1", propagation);
  steps.must("return to the root", "fchdir", [root]);
  steps.must("return to the root", "chroot", ["."]);
  steps.must("return to the pod's directory", "fchdir", [here]);
  steps.attempt("close the root", "close", [root]);
  steps.attempt("close the pod's directory", "close", [here]);
  steps.label("mounts are apart");
}
