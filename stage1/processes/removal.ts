/** `rkt run --rm`: when the pod has ended, the supervisor has `rkt rm` remove it, and only then ends itself. */
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, slot, vector } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";
import { ERRNO } from "../../src/linux/errno.ts";

/** A removal that was begun is not to be left half done; what a KILL leaves of it is the garbage collection's. */
const HELD_BACK = [k.SIGHUP, k.SIGINT, k.SIGQUIT, k.SIGTERM];

/** The last steps of the supervisor but its exit, which all go on here: what fails of this changes no exit status. */
export function removePod(steps: Section, { removal }: Pod): void {
  if (removal === undefined) return;
  const [program = ""] = removal;
  const child = slot("rkt rm");
  const file = slot("file");
  steps.heading("supervisor: remove the pod");
  // With the last descriptor of its directory the pod's lock is gone, and it counts as exited.
  steps.attempt("let go of the pod's lock", "close_range", [3, 0xffffffff, 0]);
  steps.attempt("make a process to remove the pod", "clone", [k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
    branch: { when: "less", operand: 0, to: "removed" },
  });
  steps.when(child, 0, "remove");
  steps.label("wait for the removal");
  steps.attempt("wait until the pod is removed", "wait4", [child, 0, 0, 0], {
    branch: { when: "equal", operand: -ERRNO.EINTR, to: "wait for the removal" },
  });
  steps.goto("removed");
  steps.label("remove");
  steps.attempt("hold back what would interrupt it", "rt_sigprocmask", [
    k.SIG_SETMASK,
    signalSet(HELD_BACK),
    0,
    SIGSET_SIZE,
  ]);
  steps.attempt("leave the pod's directory", "chdir", ["/"]);
  // It may well be descriptor 0 itself, so it is not closed on exec.
  steps.attempt("open /dev/null", "openat", [k.AT_FDCWD, "/dev/null", k.O_RDWR | k.O_NOCTTY, 0], {
    store: file,
  });
  for (const stream of [0, 1]) {
    steps.attempt("say nothing but errors", "dup3", [file, stream, 0]);
  }
  steps.attempt("remove the pod", "execve", [program, vector(removal), vector([])]);
  steps.attempt("leave it to the garbage collection", "exit_group", [127]);
  steps.label("removed");
}
