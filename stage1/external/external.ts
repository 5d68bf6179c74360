/**
 * Steps around the entry points of an external stage1 image (docs/build/stage1.md): where its files and those of the apps are
 * seen, and how one of its programs is executed. What the pod is made of is that program's matter.
 */
import * as k from "../../src/linux/constants.ts";
import { Section, type Slot, slot, vector } from "../engine/plan.ts";
import type { Plan } from "../engine/plan.ts";
import type { Root } from "../pod.ts";
import { attach } from "../steps/mounts.ts";
import { DEFAULT_ACTION, signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import { APP_ROOTS, appRoot, STAGE1_ROOT } from "./app_root.ts";

/** What is rkt's in there: the apps' status files and settings. */
const RKT_FILES = `${STAGE1_ROOT}/rkt`;

/** The files of a pod that an external stage1 image runs. Paths are relative to the pod's directory. */
export interface ExternalFiles {
  readonly stage1: Root;
  /** None of them, where only the image's own program is wanted. */
  readonly apps: readonly { readonly name: string; readonly root: Root }[];
}

/** A program of the image, and how it is called. */
export interface EntryPoint {
  /** The pod's directory: an absolute path. It becomes the working directory. */
  readonly directory: string;
  /** Relative to the pod's directory. */
  readonly path: string;
  /** What stands behind the program's name. */
  readonly arguments: readonly string[];
  /** `NAME=value` */
  readonly environment: readonly string[];
}

/**
 * The plan that shows the files in a mount namespace of its own, which is gone with its last process, and executes an entry
 * point there.
 */
export function entryPlan(entry: EntryPoint, files: ExternalFiles): Plan {
  const steps = new Section();
  ownMounts(steps, entry, files);
  execute(steps, entry);
  return { setup: steps.items, resident: [] };
}

/**
 * The plan that executes an entry point where a pod's files are shown already.
 *
 * @param process a pidfd of the process that holds the pod's lock
 */
export function joiningPlan(entry: EntryPoint, process: number): Plan {
  const steps = new Section();
  joinMounts(steps, entry, process);
  execute(steps, entry);
  return { setup: steps.items, resident: [] };
}

/** Steps of a process that shows the files to itself and its children alone. */
export function ownMounts(
  steps: Section,
  { directory }: Pick<EntryPoint, "directory">,
  { stage1, apps }: ExternalFiles,
): void {
  steps.heading("the files of the pod, in a mount namespace of its own");
  steps.must("make a mount namespace", "unshare", [k.CLONE_NEWNS]);
  steps.must("keep the pod's mounts from the host", "mount", [
    "none",
    "/",
    0,
    k.MS_REC | k.MS_SLAVE,
    0,
  ]);
  steps.must("enter the pod's directory", "chdir", [directory]);
  // What lies there is hidden by the image's files.
  const own = clone(steps, "the pod's files for stage1", RKT_FILES);
  const isCopied = apps.some(({ root }) => root.kind === "copy");
  const copies = isCopied ? clone(steps, "the apps' files", APP_ROOTS) : undefined;
  mountRoot(steps, "the files of the stage1 image", stage1, STAGE1_ROOT);
  show(steps, "the pod's files for stage1", own, RKT_FILES);
  if (apps.length === 0) return;
  for (const path of [`${STAGE1_ROOT}/opt`, APP_ROOTS]) makeDirectory(steps, path);
  if (copies !== undefined) return show(steps, "the apps' files", copies, APP_ROOTS);
  for (const { name, root } of apps) {
    for (const path of [`${APP_ROOTS}/${name}`, appRoot(name)]) makeDirectory(steps, path);
    mountRoot(steps, `the root of app "${name}"`, root, appRoot(name), true);
  }
}

/** Steps of a process that gets to see what a process of the pod sees. */
export function joinMounts(
  steps: Section,
  { directory }: Pick<EntryPoint, "directory">,
  process: number,
): void {
  steps.heading("the files of the pod, as its first process sees them");
  steps.must("enter the pod's mount namespace", "setns", [process, k.CLONE_NEWNS], {
    hint: "the pod has ended",
  });
  steps.must("enter the pod's directory", "chdir", [directory]);
}

/** The last step: the program in place of this process. */
export function execute(steps: Section, { path, arguments: words, environment }: EntryPoint): void {
  steps.heading("the entry point of the stage1 image");
  // Deno ignores it; a shell would pass that on to all its children.
  steps.attempt("end by a broken pipe", "rt_sigaction", [
    k.SIGPIPE,
    DEFAULT_ACTION,
    0,
    SIGSET_SIZE,
  ]);
  steps.attempt("hold back no signals", "rt_sigprocmask", [
    k.SIG_SETMASK,
    signalSet([]),
    0,
    SIGSET_SIZE,
  ]);
  steps.must(`execute ${path}`, "execve", [path, vector([path, ...words]), vector(environment)], {
    hint: "the stage1 image names no program that this host can execute",
  });
}

function clone(steps: Section, what: string, path: string): Slot {
  const tree = slot(what);
  const flags = k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC | k.AT_RECURSIVE;
  steps.must(`take ${what}`, "open_tree", [k.AT_FDCWD, path, flags], { store: tree });
  return tree;
}

function show(steps: Section, what: string, tree: Slot, path: string): void {
  const place = slot(`place of ${what}`);
  makeDirectory(steps, path);
  const flags = k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC;
  steps.must(`open ${path}`, "openat", [k.AT_FDCWD, path, flags, 0], { store: place });
  attach(steps, `show ${what}`, tree, place);
  for (const each of [tree, place]) steps.attempt("close it", "close", [each]);
}

function makeDirectory(steps: Section, path: string): void {
  steps.attempt(`make ${path}`, "mkdirat", [k.AT_FDCWD, path, 0o755]);
}

/** overlayfs separates lower directories by colons, and options by commas. */
const escaped = (path: string): string => path.replace(/[\\:,]/g, "\\$&");

/** @param volatile whether what was written need not outlive a crash of the machine; it can't be mounted again then */
function mountRoot(
  steps: Section,
  what: string,
  root: Root,
  at: string,
  volatile = false,
): void {
  if (root.kind === "copy") {
    return steps.must(`show ${what}`, "mount", [root.path, at, 0, k.MS_BIND, 0]);
  }
  const { tree, skeleton, layers, durable } = root;
  const options = [
    `lowerdir=${[tree, ...skeleton === "" ? [] : [skeleton]].map(escaped).join(":")}`,
    `upperdir=${layers}/upper`,
    `workdir=${layers}/work`,
    ...volatile && !durable ? ["volatile"] : [],
  ];
  steps.must(`mount ${what}`, "mount", ["overlay", at, "overlay", 0, options.join(",")]);
}
