/** /proc and /sys of an app, and what of them it may not change or see. */
import type { OpenRoot } from "./open_root.ts";
import { isBelow, isReplaced, MOUNT_FLAGS } from "./mount_policy.ts";
import {
  attach,
  bind,
  MOUNT_ATTR_SIZE,
  newMount,
  ownDirectory,
  READ_ONLY,
  WRITABLE,
} from "../steps/mounts.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot, type Struct } from "../engine/plan.ts";
import type { Pod, PodApp } from "../pod.ts";

/** What init itself mounts of the kernel's, where it has to do so before it leaves the host's root. */
export function openKernelFiles(
  steps: Section,
  pod: Pod,
  app: PodApp,
  { sys }: OpenRoot,
): Pick<OpenRoot, "proc" | "sys"> {
  const at = `in app "${app.name}"`;
  const proc = newProc(steps, at);
  return isReplaced(app, "/sys") ? { proc } : { proc, sys: sys ?? newSys(steps, pod, at) };
}

function newProc(steps: Section, at: string): Slot {
  const proc = slot("proc");
  newMount(steps, `mount proc on /proc ${at}`, "proc", [], MOUNT_FLAGS.proc, proc);
  return proc;
}

function newSys(steps: Section, pod: Pod, at: string): Slot {
  const sys = slot("sys");
  const flags = pod.protectPaths ? MOUNT_FLAGS.protectedSys : MOUNT_FLAGS.sys;
  newMount(steps, `mount sysfs on /sys ${at}`, "sysfs", [], flags, sys);
  return sys;
}

export function mountProc(steps: Section, pod: Pod, at: string, open: OpenRoot): void {
  const target = ownDirectory(steps, at, open.root, "proc");
  const proc = open.proc ?? newProc(steps, at);
  attach(steps, `attach /proc ${at}`, proc, target);
  steps.attempt("close the target", "close", [target]);
  if (pod.protectPaths) {
    steps.must(`enter /proc ${at}`, "fchdir", [proc]);
    readOnly(steps, at, "/proc", PROTECTED.proc.readOnly);
    hide(steps, at, "/proc", PROTECTED.proc.hidden);
  }
  steps.attempt("close /proc", "close", [proc]);
}

export function mountSys(steps: Section, pod: Pod, app: PodApp, open: OpenRoot): void {
  const at = `in app "${app.name}"`;
  const target = ownDirectory(steps, at, open.root, "sys");
  const sys = open.sys ?? newSys(steps, pod, at);
  attach(steps, `attach /sys ${at}`, sys, target);
  steps.attempt("close the target", "close", [target]);
  // Where a volume is to be below of what is hidden, it could not be mounted.
  const hidden = PROTECTED.sys.hidden.filter(({ path }) =>
    !app.mounts.some(({ place }) => isBelow(place, `/sys/${path}`))
  );
  if (pod.protectPaths) {
    steps.must(`enter /sys ${at}`, "fchdir", [sys]);
    hide(steps, at, "/sys", hidden);
  }
  steps.attempt("close /sys", "close", [sys]);
}

/**
 * What no app may change or see: rkt's protected paths, all of /proc/sys (an app that is root could set the host's
 * sysctls else), and what other runtimes have learned to hide since; of /proc also what shows root, with no capability
 * at all, how the host's memory is used, which has helped attacks on the kernel to aim.
 */
export const PROTECTED = {
  proc: {
    readOnly: [
      "bus",
      "fs",
      "irq",
      "sys",
      "sysrq-trigger",
    ],
    hidden: [
      { path: "acpi", directory: true },
      { path: "asound", directory: true },
      { path: "scsi", directory: true },
      { path: "config.gz", directory: false },
      { path: "interrupts", directory: false },
      { path: "kallsyms", directory: false },
      { path: "kcore", directory: false },
      { path: "keys", directory: false },
      { path: "kmem", directory: false },
      { path: "kpagecgroup", directory: false },
      { path: "kpagecount", directory: false },
      { path: "kpageflags", directory: false },
      { path: "latency_stats", directory: false },
      { path: "mem", directory: false },
      { path: "sched_debug", directory: false },
      { path: "slabinfo", directory: false },
      { path: "timer_list", directory: false },
      { path: "timer_stats", directory: false },
      { path: "vmallocinfo", directory: false },
    ],
  },
  sys: {
    hidden: [
      { path: "firmware", directory: true },
      { path: "fs", directory: true },
      { path: "hypervisor", directory: true },
      { path: "module", directory: true },
      { path: "power", directory: true },
      { path: "kernel/debug", directory: true },
      { path: "devices/virtual/powercap", directory: true },
    ],
  },
} as const;

/**
 * Makes paths below the working directory read-only. That is a file system of the kernel's own, which no app has touched
 * yet: there are no links to be afraid of. The whole is read-only meanwhile, and so is each mount of a part of it.
 */
function readOnly(steps: Section, at: string, of: string, paths: readonly string[]): void {
  const set = (what: string, attributes: Struct) =>
    steps.must(what, "mount_setattr", [k.AT_FDCWD, ".", 0, attributes, MOUNT_ATTR_SIZE]);
  set(`let parts of ${of} be read-only ${at}`, READ_ONLY);
  for (const path of paths) {
    const done = `read-only ${of}/${path} ${at}`;
    bind(steps, `make ${of}/${path} read-only ${at}`, path, path, done);
    steps.label(done);
  }
  set(`let the rest of ${of} be as it was ${at}`, WRITABLE);
}

/**
 * Covers files below the working directory with an empty unreadable file, directories with an empty directory. Both stand in
 * init's root, which is read-only by now: so each mount of a part of it is.
 */
function hide(
  steps: Section,
  at: string,
  of: string,
  hidden: readonly { readonly path: string; readonly directory: boolean }[],
): void {
  for (const { path, directory } of hidden) {
    const done = `hidden ${of}/${path} ${at}`;
    const cover = directory ? "/.hidden-directory" : "/.hidden-file";
    bind(steps, `hide ${of}/${path} ${at}`, cover, path, done);
    steps.label(done);
  }
}

/** What hides paths; made once in init's root. */
export function makeCovers(steps: Section): void {
  const file = slot("file");
  steps.must("make an empty directory", "mkdirat", [k.AT_FDCWD, "/.hidden-directory", 0]);
  steps.must("make an empty file", "openat", [
    k.AT_FDCWD,
    "/.hidden-file",
    k.O_CREAT | k.O_EXCL | k.O_WRONLY | k.O_CLOEXEC,
    0,
  ], { store: file });
  steps.attempt("close it", "close", [file]);
}
