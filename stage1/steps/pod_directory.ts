/**
 * An empty pod directory is filled, and becomes that of a running pod. What init needs of it is made first; the rest while
 * init builds the apps' roots.
 */
import * as k from "../../src/linux/constants.ts";
import { type Section, slot, space, struct } from "../engine/plan.ts";
import type { Pod, PodEntry } from "../pod.ts";
import { idInPlan, isFilledIn, PRIVATE_USERS, usersTextInPlan } from "../root/private_users.ts";

const stageOf = ({ stage }: Pod): string => stage === "embryo" ? "prepare" : stage;

/**
 * Enters the pod's directory, which is the working directory from then on, also of init.
 *
 * A pod that ends before {@linkcode finishPodDirectory} is an aborted prepare, which `rkt gc` removes.
 */
export function enterPodDirectory(steps: Section, pod: Pod): void {
  const prepare = `pods/${stageOf(pod)}/${pod.uuid}`;
  steps.heading("supervisor: the pod's directory");
  steps.must("enter rkt's data directory", "chdir", [pod.dataDirectory]);
  steps.attempt("leave the modes of files as they are given", "umask", [0]);
  if (pod.stage === "embryo") move(steps, `pods/embryo/${pod.uuid}`, prepare);
  steps.must("enter the pod's directory", "chdir", [prepare]);
}

/** Makes the directories in the pod's directory. Init can do nothing without them. */
export function makeDirectories(steps: Section, pod: Pod): void {
  for (const entry of pod.entries) if (entry.kind !== "file") makeEntry(steps, pod, entry);
}

/** Writes the files, and moves the pod's directory to `run`. */
export function finishPodDirectory(steps: Section, pod: Pod): void {
  for (const entry of pod.entries) if (entry.kind === "file") makeEntry(steps, pod, entry);
  // Of a run-prepared that was killed before its pod ran.
  if (pod.stage === "prepared") {
    steps.attempt("remove an old ppid", "unlinkat", [k.AT_FDCWD, "ppid", 0]);
  }
  for (const path of pod.used) {
    steps.attempt("note that the image is used", "utimensat", [k.AT_FDCWD, path, 0, 0]);
  }
  // Not run/UUID/pid: that is for the PID of init, which only the kernel knows.
  notePid(steps);
  move(steps, `../../../pods/${stageOf(pod)}/${pod.uuid}`, `../../../pods/run/${pod.uuid}`);
  leavePrepareLock(steps, pod);
}

/** Lets go of the lock against the collection of images; of init's copy, too, for it is one lock. */
export function leavePrepareLock(steps: Section, { prepareLock }: Pod): void {
  if (prepareLock === undefined) return;
  steps.attempt("let images be collected again", "close", [prepareLock]);
}

/** Writes the PID of this process into `ppid`, in decimal digits: those that /proc/self leads to. */
function notePid(steps: Section): void {
  const what = "note the supervisor's PID";
  const digits = space("digits", 16);
  const length = slot("digits of the PID");
  const file = slot("file of the PID");
  steps.must(what, "readlinkat", [k.AT_FDCWD, "/proc/self", digits, 16], {
    store: length,
    hint: "is /proc mounted?",
  });
  steps.must(what, "openat", [
    k.AT_FDCWD,
    "ppid",
    k.O_WRONLY | k.O_CREAT | k.O_EXCL | k.O_CLOEXEC,
    0o640,
  ], { store: file });
  steps.must(what, "write", [file, digits, length]);
  steps.attempt("close it", "close", [file]);
}

function move(steps: Section, from: string, to: string): void {
  const stage = to.split("/").at(-2);
  steps.must(`move the pod's directory to ${stage}`, "renameat2", [
    k.AT_FDCWD,
    from,
    k.AT_FDCWD,
    to,
    0,
  ]);
}

function makeEntry(steps: Section, pod: Pod, entry: PodEntry): void {
  const what = `make ${entry.path} in the pod's directory`;
  if (entry.kind === "file") return makeFile(steps, what, entry.path, textInPlan(pod, entry));
  const mode = entry.kind === "directory" ? entry.mode : 0o700;
  steps.must(what, "mkdirat", [k.AT_FDCWD, entry.path, mode]);
  if (entry.kind === "directory") return;
  const [uid, gid] = [idInPlan(pod, entry.uid), idInPlan(pod, entry.gid)];
  steps.must(what, "fchownat", [k.AT_FDCWD, entry.path, uid, gid, 0]);
  // After the change of owner, which clears setuid bits.
  steps.must(what, "fchmodat", [k.AT_FDCWD, entry.path, entry.mode]);
  for (const { name, value } of entry.attributes ?? []) {
    const bytes = struct("value", ["bytes", value.length, value]);
    steps.must(what, "setxattr", [entry.path, name, bytes, value.length, 0]);
  }
}

function textInPlan(
  { privateUsers, holes }: Pod,
  { path, text }: Extract<PodEntry, { readonly kind: "file" }>,
): string {
  return holes === true && privateUsers !== undefined && isFilledIn(privateUsers) &&
      path === PRIVATE_USERS
    ? usersTextInPlan(privateUsers)
    : text;
}

/** Makes a file with a text; the path is relative to the working directory. */
export function makeFile(steps: Section, what: string, path: string, text: string): void {
  const file = slot("file");
  const written = slot("written");
  const length = new TextEncoder().encode(text).length;
  steps.must(what, "openat", [
    k.AT_FDCWD,
    path,
    k.O_WRONLY | k.O_CREAT | k.O_EXCL | k.O_CLOEXEC,
    0o640,
  ], { store: file });
  steps.must(what, "write", [file, text, length], { store: written });
  steps.attempt("close it", "close", [file]);
}
