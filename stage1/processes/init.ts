/**
 * The pod's init: PID 1 of the pod's PID namespace. It builds the apps' roots, starts the apps, reaps what
 * they leave behind, notes how they ended, and ends with the pod's exit status. This is what it does until the apps
 * start; the rest is in init_loop.ts.
 */
import { APPS_MAY_START, awaitLeave, DIRECTORY_IS_MADE, SIGSET_SIZE } from "../steps/signals.ts";
import { keepHostDevices, openHostDevices } from "../root/host_devices.ts";
import type { OpenRoot } from "../root/open_root.ts";
import type { OverlayAhead } from "../root/overlay.ts";
import { startApp } from "../app/app.ts";
import { leavePodCgroups } from "../cgroup/cgroup.ts";
import { type HostFiles, makeEtcFiles, makeHostname, openEtcFiles } from "../root/etc_files.ts";
import { initLoop } from "./init_loop.ts";
import { makeCovers, openKernelFiles } from "../root/kernel_files.ts";
import { attributes, MOUNT_ATTR_SIZE, mountNew, newMount, READ_ONLY } from "../steps/mounts.ts";
import { enterNetwork } from "./network.ts";
import { leavePrepareLock } from "../steps/pod_directory.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import * as k from "../../src/linux/constants.ts";
import { Sandbox } from "./sandbox.ts";
import {
  addressOf,
  mutableStruct,
  type Section,
  type Sections,
  type Slot,
  slot,
} from "../engine/plan.ts";
import type { Pod, PodApp } from "../pod.ts";
import { climb, keepMountsApart } from "../root/outer_root.ts";
import { forkInit, idInPlan, leaveHostMounts } from "../root/private_users.ts";
import { appMounts, inAppMounts, openProc, sharesAppRoot } from "../root/app_mounts.ts";
import { attachRoot, makePlaces, openRoot } from "../root/root.ts";
import type { FlySteps } from "../fly/fly_steps.ts";
import type { PlanParts } from "./plan_parts.ts";
import { leaveStreams } from "../output/streams.ts";
import type { Supervisor } from "./supervisor.ts";
import { applySysctls } from "../root/sysctl.ts";

/** What comes from the host: opened while the host's root is still there, and by who may. */
interface FromHost {
  readonly statusDirectory: Slot;
  /** In the order of the apps. */
  readonly roots: readonly {
    readonly app: PodApp;
    readonly open: OpenRoot;
    readonly etc: HostFiles;
  }[];
  /** With `--ipc=parent`. */
  readonly shm?: Slot | undefined;
}

/**
 * Init's part of the plan, from its first step behind the label `init`.
 *
 * @param namespaces the `CLONE_NEW*` flags of the pod
 */
export function init(
  sections: Sections,
  pod: Pod,
  supervisor: Supervisor,
  namespaces: number,
  more: PlanParts,
): void {
  const { setup, spawn } = sections;
  let host: FromHost | undefined;
  let sandbox: Sandbox | undefined;
  if (pod.privateUsers !== undefined) {
    setup.heading(
      "intermediate process: a child of the supervisor, which opens what comes from the host",
    );
    setup.label("intermediate process");
    leaveHostMounts(setup);
    host = openHost(setup, pod);
    if (pod.sandbox) sandbox = new Sandbox(setup, pod.privateUsers);
    forkInit(setup, namespaces, supervisor.init);
  }

  const { manager, fly } = more;
  setup.heading(`init: ${fly === undefined ? "PID 1 of the pod" : "a child of the supervisor"}`);
  setup.label("init");
  dieWithSupervisor(setup, supervisor, fly);
  if (supervisor.notify !== undefined) manager?.leaveNotify(setup, supervisor.notify);
  if (pod.apps.length > 0) leavePodCgroups(setup, supervisor.cgroups);
  leavePrepareLock(setup, pod);
  leaveStreams(setup, pod);
  setup.must("leave the caller's session", "setsid", []);
  setup.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-init"]);
  setup.must("keep the apps from tracing init", "prctl", [k.PR_SET_DUMPABLE, 0]);
  if (pod.privateUsers === undefined) {
    // Here and not by the clone(2) of this process: that takes as long as the supervisor needs for the pod's directory.
    const own = namespaces & ~k.CLONE_NEWPID;
    setup.must("make the pod's namespaces", "unshare", [own]);
  }
  if (fly === undefined) enterNamespaces(setup, pod);
  else fly.becomeReaper(setup);

  setup.heading("init: what comes from the host");
  // What the host mounts later is for agents of the host to see.
  keepMountsApart(setup, fly === undefined ? k.MS_PRIVATE : k.MS_SLAVE);
  if (pod.privateUsers === undefined) awaitLeave(setup, DIRECTORY_IS_MADE);
  const devices = pod.rootless === true ? openHostDevices(setup) : undefined;
  const { statusDirectory, roots, shm } = host ?? openHost(setup, pod, supervisor.overlay);
  if (pod.sandbox) sandbox ??= new Sandbox(setup);
  // In a user namespace init may mount these only where it sees those of the host.
  const opened = pod.privateUsers === undefined && pod.rootless !== true ? roots : roots.map(
    ({ app, open, etc }) => ({
      app,
      etc,
      open: { ...open, ...openKernelFiles(setup, pod, app, open) },
    }),
  );

  const mounts = appMounts(pod);
  const proc = mounts.size > 0 ? openProc(setup) : undefined;
  if (pod.apps.length === 0) setup.keep(statusDirectory, "there is no app whose end to note");
  const shared = sharesAppRoot(pod) ? slot("host's root") : undefined;
  if (fly === undefined) makeRoot(setup, pod, { shm, devices, shared });
  else fly.makeEtcFiles(setup, pod);
  const attach = ({ app, open, etc }: FromHost["roots"][0]) =>
    (fly?.attachRoot ?? attachRoot)(setup, pod, app, open, supervisor.terminals, etc);
  if (proc === undefined) opened.forEach(attach);
  else inAppMounts(setup, proc, mounts, opened, attach);
  if (shared !== undefined) takeAppRoot(setup, shared, pod.apps);

  // Nothing of an app runs before the pod is in its place, and on record.
  awaitLeave(setup, APPS_MAY_START);
  setup.goto("init ready");

  for (const app of pod.apps) {
    startApp(spawn, pod, app, supervisor.cgroups, more, mounts.get(app));
  }
  const { cgroups, notify } = supervisor;
  initLoop(sections, pod, statusDirectory, cgroups, sandbox?.role, notify, manager, fly);
}

/** What namespaces of the pod's own need. */
function enterNamespaces(setup: Section, pod: Pod): void {
  setup.must("set the host name", "sethostname", [
    pod.hostname,
    new TextEncoder().encode(pod.hostname).length,
  ]);
  enterNetwork(setup, pod);
  applySysctls(setup, pod);
}

/** What init's root is made of, where a pod has it. */
interface RootParts {
  /** The host's shared memory. */
  readonly shm: Slot | undefined;
  readonly devices: ReturnType<typeof openHostDevices> | undefined;
  /** Where to keep the host's root until {@linkcode takeAppRoot} leaves it. */
  readonly shared: Slot | undefined;
}

/** Init's root, with places for those of the apps. */
function makeRoot(setup: Section, pod: Pod, { shm, devices, shared }: RootParts): void {
  leaveHost(setup, pod, shm, shared);
  if (devices !== undefined) keepHostDevices(setup, devices);
  makePlaces(setup, pod.apps);
  setup.must("make init's root read-only", "mount_setattr", [
    k.AT_FDCWD,
    "/",
    0,
    READ_ONLY,
    MOUNT_ATTR_SIZE,
  ]);
}

function openHost(setup: Section, pod: Pod, overlay?: OverlayAhead): FromHost {
  const statusDirectory = slot("status directory");
  const path = "stage1/rootfs/rkt/status";
  setup.must("open the pod's status directory", "openat", [
    k.AT_FDCWD,
    path,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: statusDirectory });
  if (pod.privateUsers !== undefined) {
    const root = idInPlan(pod, pod.privateUsers.shift);
    setup.must("let init write there", "fchownat", [k.AT_FDCWD, path, root, root, 0]);
  }
  return {
    statusDirectory,
    roots: pod.apps.map((app) => ({
      app,
      open: openRoot(setup, pod, app, overlay?.context),
      etc: openEtcFiles(setup, pod, app),
    })),
    shm: pod.ipc === "parent" && pod.flavor !== "fly" ? hostSharedMemory(setup) : undefined,
  };
}

/** The kernel kills init, and with it the pod, when the supervisor dies; also if it died before we could ask for it. */
function dieWithSupervisor(setup: Section, supervisor: Supervisor, fly?: FlySteps): void {
  const poll = mutableStruct("pollfd", ["fd", 4, 0], ["events", 2, k.POLLIN], ["revents", 2, 0]);
  const value = slot("value");
  // Where the kernel does not end the apps with init, init does.
  const signal = fly === undefined ? k.SIGKILL : k.SIGALRM;
  setup.must("die with the supervisor", "prctl", [k.PR_SET_PDEATHSIG, signal]);
  setup.compute("add", [supervisor.alive, k.POLLIN * 2 ** 32], { store: value });
  setup.compute("put", [addressOf(poll), value]);
  const now = mutableStruct("timespec", ["seconds", 8, 0], ["nanoseconds", 8, 0]); // the kernel writes back what is left
  setup.attempt("see whether the supervisor lives", "ppoll", [poll, 1, now, 0, SIGSET_SIZE], {
    branch: { when: "equal", operand: 0, to: "supervised" },
  });
  setup.attempt("the supervisor is dead", "exit_group", [128 + k.SIGKILL]);
  setup.label("supervised");
  setup.attempt("let go of the supervisor", "close", [supervisor.alive]);
}

/** Bytes of a pod's shared memory: docker's default. */
const SHARED_MEMORY = 64 << 20;

const INERT = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC;

/** With `--ipc=parent`, what belongs to the IPC namespace that the pod shares. */
function hostSharedMemory(setup: Section): Slot {
  const shm = slot("shm");
  const what = "share the host's shared memory";
  setup.must(what, "open_tree", [
    k.AT_FDCWD,
    "/dev/shm",
    k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC,
  ], { store: shm });
  setup.must(what, "mount_setattr", [shm, "", k.AT_EMPTY_PATH, attributes(INERT), MOUNT_ATTR_SIZE]);
  return shm;
}

/**
 * Init's own root becomes an empty tmpfs: nothing of the host's is left in its mount namespace.
 *
 * @param shared where to keep the host's root, if the app's is to take its place: then the tmpfs is but a chroot
 */
function leaveHost(setup: Section, pod: Pod, hostShm?: Slot, shared?: Slot): void {
  const root = slot("init's root");
  const attached = k.MOVE_MOUNT_F_EMPTY_PATH;
  const own = [["mode", "0755"], ["size", "1m"]] as const;
  setup.heading("init: leave the host's root");
  if (pod.privateUsers === undefined) {
    const place = "stage1/rootfs";
    mountNew(setup, "make init's root", "tmpfs", own, INERT, place);
    setup.must("refer to init's root", "openat", [
      k.AT_FDCWD,
      place,
      k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
      0,
    ], { store: root });
    // A user namespace is never made in a chroot (user_namespaces(7)), and its root has no way up.
    if (pod.rootless !== true) climb(setup, place, k.MS_PRIVATE);
  } else {
    // This is the place already; a path through it would lead below the mount.
    newMount(setup, "make init's root", "tmpfs", own, INERT, root);
    setup.must("mount init's root", "move_mount", [root, "", k.AT_FDCWD, ".", attached]);
  }
  if (shared !== undefined) {
    setup.must("refer to the host's root", "openat", [
      k.AT_FDCWD,
      "/",
      k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
      0,
    ], { store: shared });
  }
  setup.must("enter init's root", "fchdir", [root]);
  setup.attempt("close it", "close", [root]);
  if (shared === undefined) changeRoot(setup, "init's");
  else setup.must("see nothing else meanwhile", "chroot", ["."]);
  setup.must("enter the new root", "chdir", ["/"]);
  makeCovers(setup);
  makeHostname(setup, pod);
  makeEtcFiles(setup, pod);
  setup.must("make a place for shared memory", "mkdirat", [k.AT_FDCWD, "/.shm", 0o755]);
  const size = String(pod.sharedMemory ?? SHARED_MEMORY);
  const options = [["mode", "1777"], ["size", size]] as const;
  const what = "mount the pod's shared memory";
  if (hostShm === undefined) return mountNew(setup, what, "tmpfs", options, INERT, "/.shm");
  setup.must(what, "move_mount", [hostShm, "", k.AT_FDCWD, "/.shm", attached]);
  setup.attempt("close it", "close", [hostShm]);
}

/** The app's root takes the place of the host's, with which init's goes too. Mounts of what is in that stay. */
function takeAppRoot(setup: Section, host: Slot, apps: readonly PodApp[]): void {
  setup.heading("init: leave the host's root for the app's");
  const root = slot("app's root");
  for (const { name } of apps) {
    setup.must(`refer to the root of app "${name}"`, "openat", [
      k.AT_FDCWD,
      `/${name}`,
      k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
      0,
    ], { store: root });
  }
  setup.must("return to the host's root", "fchdir", [host]);
  setup.must("return to the host's root", "chroot", ["."]);
  setup.attempt("close it", "close", [host]);
  setup.must("enter the app's root", "fchdir", [root]);
  setup.attempt("close it", "close", [root]);
  changeRoot(setup, "the app's");
  setup.must("enter the new root", "chdir", ["/"]);
}

/**
 * The working directory, a mount, becomes the root. Where the host's root is the initramfs, there is
 * no mount to change places with: then it is moved over the root, as switch_root(8) does. The host's root is out of sight in
 * either case; in this one it is still below, where only who may unmount the root could find it.
 */
function changeRoot(setup: Section, whose: string): void {
  const what = `change the root to ${whose}`;
  const result = slot("result");
  setup.attempt(what, "pivot_root", [".", "."], {
    store: result,
    branch: { when: "different", operand: -ERRNO.EINVAL, to: "root: pivoted?" },
  });
  setup.must("move it over the root", "mount", [".", "/", 0, k.MS_MOVE, 0]);
  setup.must(what, "chroot", ["."]);
  setup.goto("root: changed");
  setup.label("root: pivoted?");
  setup.when(result, 0, "root: pivoted");
  setup.must(what, "pivot_root", [".", "."]);
  setup.label("root: pivoted");
  setup.must("detach the host's root", "umount2", [".", k.MNT_DETACH]);
  setup.label("root: changed");
}
