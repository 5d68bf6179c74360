/**
 * `rkt run --rm`: when the pod has ended, its supervisor removes it, and only then ends itself. What is unusual, like a mount
 * that is left in the pod's directory, or a cgroup that still has processes, is left to `rkt rm`.
 */
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import { emptyDirectory } from "../steps/empty_directory.ts";
import * as k from "../../src/linux/constants.ts";
import { podCgroup } from "../cgroup/cgroup.ts";
import { type Section, slot, space, vector } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { STATX } from "../../src/linux/statx.ts";
import type { Recorder } from "./recorder.ts";

/** A removal that was begun is not to be left half done; what a KILL leaves of it is the garbage collection's. */
const HELD_BACK = [k.SIGHUP, k.SIGINT, k.SIGQUIT, k.SIGTERM];

const BY_RKT = "remove by rkt";
const REMOVED = "removed";

/** The last steps of the supervisor but its exit, which all go on here: what fails of this changes no exit status. */
export function removePod(steps: Section, pod: Pod, recorder: Recorder | undefined): void {
  const { removal, network, audit } = pod;
  if (removal === undefined) return;
  steps.heading("supervisor: remove the pod");
  // What plugins have set up is looked at by rkt once more.
  if (network.kind !== "joined" || network.tearDown.command === undefined) {
    removeDirectory(steps, pod);
    if (audit?.removal !== undefined) recorder?.recordRemoval(steps, audit, audit.removal);
    steps.goto(REMOVED);
    steps.label(BY_RKT);
  }
  removeByRkt(steps, removal);
  steps.label(REMOVED);
}

/** Moves the pod, whose lock this process holds, to the garbage, and deletes it there. */
function removeDirectory(steps: Section, { uuid, cgroups }: Pod): void {
  const [garbage, top] = [slot("directory of garbage"), slot("the pod's directory")];
  const status = space("status of a cgroup", STATX.bytes);
  for (const { path } of cgroups?.bases ?? []) {
    // Only the pod's directory says where they are.
    steps.attempt("the pod's cgroup is gone", "statx", [
      k.AT_FDCWD,
      `${path}/${podCgroup(uuid)}`,
      k.AT_SYMLINK_NOFOLLOW,
      k.STATX_BASIC_STATS,
      status,
    ], { branch: { when: "different", operand: -ERRNO.ENOENT, to: BY_RKT } });
  }
  steps.attempt("move the pod's directory to garbage", "renameat2", [
    k.AT_FDCWD,
    `../${uuid}`,
    k.AT_FDCWD,
    `../../garbage/${uuid}`,
    0,
  ], { branch: { when: "error", to: BY_RKT } });
  steps.attempt("open the directory of garbage", "openat", [
    k.AT_FDCWD,
    "..",
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: garbage, branch: { when: "error", to: BY_RKT } });
  steps.attempt("open the pod's directory", "openat", [
    k.AT_FDCWD,
    ".",
    k.O_RDONLY | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: top, branch: { when: "error", to: BY_RKT } });
  emptyDirectory(steps, top, BY_RKT);
  steps.attempt("remove the pod's directory", "unlinkat", [garbage, uuid, k.AT_REMOVEDIR], {
    branch: { when: "error", to: BY_RKT },
  });
}

/** Has `rkt rm` remove it. */
function removeByRkt(steps: Section, command: readonly string[]): void {
  const [program = ""] = command;
  const child = slot("rkt rm");
  const file = slot("file");
  // With the last descriptor of its directory the pod's lock is gone, and it counts as exited, or as garbage.
  steps.attempt("let go of the pod's lock", "close_range", [3, 0xffffffff, 0]);
  steps.attempt("make a process to remove the pod", "clone", [k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
    branch: { when: "less", operand: 0, to: REMOVED },
  });
  steps.when(child, 0, "remove");
  steps.label("wait for the removal");
  steps.attempt("wait until the pod is removed", "wait4", [child, 0, 0, 0], {
    branch: { when: "equal", operand: -ERRNO.EINTR, to: "wait for the removal" },
  });
  steps.goto(REMOVED);
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
  steps.attempt("remove the pod", "execve", [program, vector(command), vector([])]);
  steps.attempt("leave it to the garbage collection", "exit_group", [127]);
}
