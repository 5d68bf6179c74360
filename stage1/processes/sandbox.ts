/**
 * Pods whose apps come and go (`rkt app sandbox`): they begin without an app, and end when they are told to.
 *
 * Each app that is added has a shim (shim.ts), a process of the pod beside init, which holds the directory `rkt`
 * of stage1's root locked shared for as long as it lives. Who gets that lock exclusively knows that no app runs.
 */
import type { PrivateUsers } from "../root/pod_users.ts";
import type { Role } from "./init_state.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot, zeroSlot } from "../engine/plan.ts";

/** The directory that shims hold locked; below the pod's directory. */
export const APPS_LOCK = "stage1/rootfs/rkt";

/** A file in it, there as soon as the pod is to end: no app is started any more. */
export const STOPPING = "stopping";

/**
 * Tells a shim to stop its app. Of all signals that init can send to every process of the pod at once, it is one that
 * no app minds: it has no effect by default.
 */
export const STOP_APP = k.SIGURG;

/** Init's part in a sandbox. */
export class Sandbox {
  readonly #appsLock = slot("lock of the apps");

  /**
   * While the host's root is still there, in the pod's directory.
   *
   * @param users the pod's own, where it has some: the directory becomes theirs, for init to write there
   */
  constructor(setup: Section, users?: PrivateUsers) {
    if (users !== undefined) {
      const { shift } = users;
      setup.must("let init write there", "fchownat", [k.AT_FDCWD, APPS_LOCK, shift, shift, 0]);
    }
    setup.must("open the directory that is locked while apps run", "openat", [
      k.AT_FDCWD,
      APPS_LOCK,
      k.O_RDONLY | k.O_DIRECTORY | k.O_CLOEXEC,
      0,
    ], { store: this.#appsLock });
  }

  readonly role: Role = {
    stays: true,
    reconciled: (steps, { stopping, left }) => stopApps(steps, this.#appsLock, stopping, left),
  };
}

/** Once the pod is to end: tells the shims so, once, and sees each time that somebody was reaped whether one is left. */
function stopApps(steps: Section, appsLock: Slot, stopping: Slot, left: Slot): void {
  const told = zeroSlot("shims are told");
  const file = slot("file");
  const goOn = "apps may be added";
  steps.when(stopping, 0, goOn);
  steps.when(told, 1, "shims are told");
  steps.set(told, 1);
  // First the file, then the signal: a shim that was just made finds the file or gets the signal.
  steps.attempt("note that the pod is to end", "openat", [
    appsLock,
    STOPPING,
    k.O_WRONLY | k.O_CREAT | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  steps.attempt("close the file", "close", [file]);
  steps.attempt("tell the shims to stop their apps", "kill", [-1, STOP_APP]);
  steps.label("shims are told");
  steps.attempt("see whether apps run", "flock", [appsLock, k.LOCK_EX | k.LOCK_NB], {
    branch: { when: "error", to: goOn },
  });
  steps.set(left, 0);
  steps.label(goOn);
}
