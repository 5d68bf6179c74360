/**
 * The cgroups of a pod: `rkt-UUID` below whoever started rkt, and in it one for each app. The supervisor makes them
 * before it forks. Entering them is the first thing that an app's process does. The supervisor removes them at the
 * pod's end.
 */
import type { CgroupBase, CgroupLocation } from "../../src/cgroup/location.ts";
import { type Setting, settings } from "./cgroup_settings.ts";
import { attachDeviceProgram, DEFAULT_DEVICES, deviceLine } from "./devices.ts";
import * as k from "../../src/linux/constants.ts";
import { tellOfLack } from "./lack_of_memory.ts";
import {
  mutableStruct,
  type Section,
  type Slot,
  slot,
  type Space,
  space,
  type Struct,
} from "../engine/plan.ts";
import type { DeviceRule, Pod, PodApp } from "../pod.ts";
import { makeFile } from "../steps/pod_directory.ts";

/** The file in the pod's directory that names the pod's cgroups, a line each. After a crash, gc finds them by it. */
export const SUBCGROUP = "subcgroup";

/** The name of a pod's cgroup. */
export const podCgroup = (uuid: string): string => `rkt-${uuid}`;

/**
 * The files of an app's memory counters, by version. `oom_kill` counts the processes that were killed for using too
 * much.
 */
export const MEMORY_EVENTS = { 1: "memory.oom_control", 2: "memory.events" } as const;

/** The file in the pod's status directory to which the supervisor copies an app's memory counters. */
export const memoryEventsFile = (app: string): string => `${app}-memory-events`;

/** Descriptors of cgroups, as all processes of the pod inherit them. */
export interface Cgroups {
  readonly version: 1 | 2;
  /**
   * Whether the processes of apps are forked into their cgroups. Moving a process takes a lock that waits for all other
   * processes. Version 1 has no such call, and needs no such lock for single threads. It takes the host's root.
   */
  readonly inside: boolean;
  /** By the app's name: the directory, if processes are forked into it; else the files to write to. */
  readonly apps: ReadonlyMap<string, readonly Slot[]>;
  /** The directories of the pod's cgroups, by base. */
  readonly directories: ReadonlyMap<CgroupBase, Slot>;
}

/** Devices that an app may use. */
export function devicesOf(app: PodApp): readonly DeviceRule[] {
  return [...DEFAULT_DEVICES, ...app.mounts.flatMap(({ device }) => device ?? [])];
}

/** Steps of the supervisor that make the cgroups. Its working directory is the pod's directory. */
export function makeCgroups(steps: Section, pod: Pod): Cgroups | undefined {
  const { cgroups: location } = pod;
  if (location === undefined) return undefined;
  const name = podCgroup(pod.uuid);
  steps.heading("supervisor: the pod's cgroups");
  const lines = location.bases.map(({ path }) => `${path}/${name}\n`).join("");
  makeFile(steps, "note where the pod's cgroups are", SUBCGROUP, lines);
  if (location.leaf !== undefined) leaveOwn(steps, location.leaf);
  for (const [file, text] of location.enable) {
    // If this fails, the file of the limit will be missing, which is the error to report.
    write(steps, `turn controllers on in ${file}`, file, text);
  }
  const inside = location.version === 2 && pod.privateUsers === undefined;
  const directories = new Map<CgroupBase, Slot>();
  const apps = new Map<string, Slot[]>(pod.apps.map(({ name }) => [name, []]));
  for (const base of location.bases) {
    const directory = slot(`cgroup in ${base.path}`);
    const path = `${base.path}/${name}`;
    directories.set(base, directory);
    steps.must(`make the pod's cgroup ${path}`, "mkdirat", [k.AT_FDCWD, path, 0o755]);
    steps.must(`open the pod's cgroup ${path}`, "openat", [
      k.AT_FDCWD,
      path,
      k.O_RDONLY | k.O_DIRECTORY | k.O_CLOEXEC,
      0,
    ], { store: directory });
    for (const setting of settings(location, base, pod.limits)) {
      writeSetting(steps, "the pod", directory, "", setting);
    }
    giveControllers(steps, location, base, directory, pod.apps);
    for (const app of pod.apps) {
      const handle = makeAppCgroup(steps, location, base, directory, app, inside);
      apps.get(app.name)?.push(handle);
    }
  }
  const cgroups = { version: location.version, inside, apps, directories };
  // The supervisor needs these descriptors to remove the apps' cgroups.
  if (pod.apps.length === 0) leavePodCgroups(steps, cgroups);
  return cgroups;
}

/** Steps of the supervisor after it has forked init: closes the descriptors that only init needs. */
export function leaveAppCgroups(steps: Section, cgroups: Cgroups | undefined): void {
  for (const handle of [...cgroups?.apps.values() ?? []].flat()) {
    steps.attempt("leave the apps' cgroups to init", "close", [handle]);
  }
}

/** Closes the directories of the pod's cgroups in processes that don't remove them: they are the host's. */
export function leavePodCgroups(steps: Section, cgroups: Cgroups | undefined): void {
  for (const directory of cgroups?.directories.values() ?? []) {
    steps.attempt("close the pod's cgroup", "close", [directory]);
  }
}

/**
 * `rkt app start` makes the cgroups of an app below those of its pod. If the pod has no cgroup in a hierarchy yet,
 * because no app needed it, one is made.
 */
export function addCgroups(steps: Section, pod: Pod, app: PodApp): Cgroups | undefined {
  const { cgroups: location } = pod;
  if (location === undefined) return undefined;
  steps.heading(`app start: the cgroups of app "${app.name}"`);
  const inside = location.version === 2 && pod.privateUsers === undefined;
  const directories = new Map<CgroupBase, Slot>();
  const apps = new Map<string, Slot[]>([[app.name, []]]);
  for (const base of location.bases) {
    const directory = slot(`cgroup in ${base.path}`);
    const path = `${base.path}/${podCgroup(pod.uuid)}`;
    directories.set(base, directory);
    steps.attempt(`make the pod's cgroup ${path}`, "mkdirat", [k.AT_FDCWD, path, 0o755]);
    steps.must(`open the pod's cgroup ${path}`, "openat", [
      k.AT_FDCWD,
      path,
      k.O_RDONLY | k.O_DIRECTORY | k.O_CLOEXEC,
      0,
    ], { store: directory });
    giveControllers(steps, location, base, directory, [app]);
    steps.attempt("remove what an earlier start has left", "unlinkat", [
      directory,
      app.name,
      k.AT_REMOVEDIR,
    ]);
    // Processes that the app has left behind keep the cgroup busy.
    const handle = makeAppCgroup(steps, location, base, directory, app, inside, "attempt");
    apps.get(app.name)?.push(handle);
  }
  return { version: location.version, inside, apps, directories };
}

/**
 * Version 2: enables the controllers for the cgroups below the pod's. Those that added apps need are enabled when they
 * are added.
 */
function giveControllers(
  steps: Section,
  { version }: CgroupLocation,
  { controllers }: CgroupBase,
  directory: Slot,
  apps: readonly PodApp[],
): void {
  const names = controllers.filter((name) => name !== "devices");
  if (version === 1 || names.length === 0 || apps.length === 0) return;
  const text = names.map((name) => `+${name === "blkio" ? "io" : name}`).join(" ");
  const what = "give controllers to the cgroups of the apps";
  writeAt(steps, what, directory, "cgroup.subtree_control", text);
}

/** Version 2: a cgroup can't have both processes and controllers for its children, so the supervisor moves into a leaf. */
function leaveOwn(steps: Section, leaf: string): void {
  steps.attempt("make a cgroup for the supervisor", "mkdirat", [k.AT_FDCWD, leaf, 0o755]);
  const what = `move to the cgroup ${leaf}`;
  const file = slot("file");
  steps.must(what, "openat", [k.AT_FDCWD, `${leaf}/cgroup.procs`, k.O_WRONLY | k.O_CLOEXEC, 0], {
    store: file,
  });
  steps.must(what, "write", [file, "0", 1]);
  steps.attempt("close it", "close", [file]);
}

function makeAppCgroup(
  steps: Section,
  location: CgroupLocation,
  base: CgroupBase,
  pod: Slot,
  app: PodApp,
  inside: boolean,
  again: "attempt" | "must" = "must",
): Slot {
  const who = `app "${app.name}"`;
  const handle = slot(`cgroup of ${app.name} in ${base.path}`);
  const made = [pod, app.name, 0o755] as const;
  if (again === "must") steps.must(`make a cgroup for ${who}`, "mkdirat", made);
  else steps.attempt(`make a cgroup for ${who}`, "mkdirat", made);
  for (const setting of settings(location, base, app.limits)) {
    writeSetting(steps, who, pod, `${app.name}/`, setting);
  }
  const rules = devicesOf(app);
  const devices = base.controllers.includes("devices");
  const closed = `let ${who} use no other devices`;
  if (location.version === 2) {
    steps.must(`open the cgroup of ${who}`, "openat", [
      pod,
      app.name,
      k.O_RDONLY | k.O_DIRECTORY | k.O_CLOEXEC,
      0,
    ], { store: handle });
    if (devices) attachDeviceProgram(steps, closed, rules, handle);
    if (inside) return handle;
    steps.attempt("close it", "close", [handle]);
  } else if (devices) {
    writeAt(steps, closed, pod, `${app.name}/devices.deny`, "a");
    writeAt(steps, closed, pod, `${app.name}/devices.allow`, ...rules.map(deviceLine));
  }
  const file = location.version === 2 ? "cgroup.procs" : "tasks";
  steps.must(`open the cgroup of ${who}`, "openat", [
    pod,
    `${app.name}/${file}`,
    k.O_WRONLY | k.O_CLOEXEC,
    0,
  ], { store: handle });
  return handle;
}

/** Writes texts to a file, one after the other. Each write must succeed. */
function writeAt(
  steps: Section,
  what: string,
  directory: Slot,
  path: string,
  ...texts: readonly string[]
): void {
  const file = slot("file");
  steps.must(what, "openat", [directory, path, k.O_WRONLY | k.O_CLOEXEC, 0], { store: file });
  for (const text of texts) steps.must(`${what} (${text})`, "write", [file, text, text.length]);
  steps.attempt("close it", "close", [file]);
}

function write(steps: Section, what: string, path: string, text: string): void {
  const file = slot("file");
  steps.attempt(what, "openat", [k.AT_FDCWD, path, k.O_WRONLY | k.O_CLOEXEC, 0], { store: file });
  steps.attempt(what, "write", [file, text, text.length]);
  steps.attempt("close it", "close", [file]);
}

function writeSetting(
  steps: Section,
  who: string,
  directory: Slot,
  below: string,
  { file, text, what, otherwise, warning }: Setting,
): void {
  const doing = `limit ${what} of ${who}`;
  if (warning === undefined) return writeAt(steps, doing, directory, `${below}${file}`, text);
  const opened = slot("file");
  const written = slot("written");
  const names = [file, ...otherwise === undefined ? [] : [otherwise]];
  // Several files may get the same text: bandwidth for reading and writing in version 1.
  const label = (name: string) => `${name} of ${who} (${file} ${text})`;
  const done = label("done");
  for (const name of names) {
    const next = label(`without ${name}`);
    steps.attempt(doing, "openat", [directory, `${below}${name}`, k.O_WRONLY | k.O_CLOEXEC, 0], {
      store: opened,
      branch: { when: "error", to: next },
    });
    steps.attempt(doing, "write", [opened, text, text.length], { store: written });
    steps.attempt("close it", "close", [opened]);
    steps.compute("let", [written], { branch: { when: "less", operand: 0, to: next } });
    steps.goto(done);
    steps.label(next);
  }
  const line = `run: warning: ${who}: ${warning}\n`;
  steps.attempt("say that it has no effect", "write", [
    2,
    line,
    new TextEncoder().encode(line).length,
  ]);
  steps.label(done);
}

/** `struct clone_args` (include/uapi/linux/sched.h) for a process that starts in a cgroup. The descriptor of that cgroup must be put at `cgroupAt`. */
export function cloneArguments(
  flags: number,
): { readonly args: Struct; readonly size: number; readonly cgroupAt: number } {
  const args = mutableStruct(
    "clone_args",
    ["flags", 8, flags + k.CLONE_INTO_CGROUP],
    ["", 24, new Uint8Array(24)],
    ["exit_signal", 8, k.SIGCHLD],
    ["", 40, new Uint8Array(40)],
    ["cgroup", 8, 0],
  );
  return { args, size: 88, cgroupAt: 80 };
}

/**
 * Steps of an app's process: enters its cgroups, unless it was forked into them, and gets a cgroup namespace whose root
 * they are.
 */
export function enterCgroup(
  steps: Section,
  at: string,
  { flavor }: Pick<Pod, "flavor">,
  app: PodApp,
  cgroups: Cgroups | undefined,
): void {
  const handles = cgroups?.apps.get(app.name);
  if (handles === undefined) return;
  if (cgroups?.inside !== true) {
    for (const handle of handles) {
      steps.must(`enter the app's cgroup ${at}`, "write", [handle, "0", 1]);
    }
  }
  if (flavor === "fly") return;
  steps.must(`make a cgroup namespace ${at}`, "unshare", [k.CLONE_NEWCGROUP]);
}

/** The most bytes of a file of memory counters. */
const MOST_COUNTERS = 512;

/** Steps of the supervisor: copies the counters and removes the cgroups. Busy ones are left to `rkt gc`. */
export function removeCgroups(steps: Section, pod: Pod, cgroups: Cgroups | undefined): void {
  if (cgroups === undefined || pod.cgroups === undefined) return;
  const counters = space("memory counters", MOST_COUNTERS);
  steps.heading("supervisor: remove the pod's cgroups");
  for (const [base, directory] of cgroups.directories) {
    for (const app of pod.apps) {
      if (app.limits.memory !== undefined && base.controllers.includes("memory")) {
        noteCounters(steps, cgroups.version, directory, app, counters);
      }
      steps.attempt(`remove the cgroup of app "${app.name}"`, "unlinkat", [
        directory,
        app.name,
        k.AT_REMOVEDIR,
      ]);
    }
    steps.attempt("remove the pod's cgroup", "unlinkat", [
      k.AT_FDCWD,
      `${base.path}/${podCgroup(pod.uuid)}`,
      k.AT_REMOVEDIR,
    ]);
  }
}

function noteCounters(
  steps: Section,
  version: 1 | 2,
  directory: Slot,
  app: PodApp,
  counters: Space,
): void {
  const file = slot("file");
  const length = slot("length");
  const failed = `no counters of ${app.name}`;
  steps.attempt(`read the memory counters of app "${app.name}"`, "openat", [
    directory,
    `${app.name}/${MEMORY_EVENTS[version]}`,
    k.O_RDONLY | k.O_CLOEXEC,
    0,
  ], { store: file, branch: { when: "error", to: failed } });
  steps.attempt("read them", "read", [file, counters, MOST_COUNTERS], {
    store: length,
    branch: { when: "error", to: failed },
  });
  steps.attempt("close the file", "close", [file]);
  steps.attempt("note them", "openat", [
    k.AT_FDCWD,
    `stage1/rootfs/rkt/status/${memoryEventsFile(app.name)}`,
    k.O_WRONLY | k.O_CREAT | k.O_TRUNC | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  steps.attempt("write them", "write", [file, counters, length]);
  steps.attempt("close the file", "close", [file]);
  tellOfLack(steps, app, counters, length);
  steps.label(failed);
}
