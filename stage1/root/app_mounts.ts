/**
 * Mount namespaces for the apps of a pod that has several. A process that gets a mount namespace of its own gets copies of
 * all mounts of the one that it is in, so an app would cost as much as all others together. Each app's root is put together in a
 * namespace that has nothing else, a copy of init's, which has no app's.
 *
 * Init holds the namespaces open as long as it lives: an app may be started again, and `rkt cp` looks into apps that have
 * ended (src/pod/app/init_mounts.ts).
 *
 * The only process that init ever starts needs no copy either. Then init itself goes over to the app's root, and there is one
 * namespace less to copy, to leave and to take apart, each of which makes the start wait for the kernel's RCU.
 */
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import { type Pod, type PodApp, startsLater } from "../pod.ts";

/** Whether the apps of a pod have mount namespaces apart from init's. */
export const hasAppMounts = ({ apps, flavor }: Pick<Pod, "apps" | "flavor">): boolean =>
  apps.length > 1 && flavor !== "fly";

/**
 * Whether init takes the root of the pod's only app for its own. Not where a later process has to find the mounts as they were at
 * first, and not with users of the pod's own, whose init starts below a root that it has not made.
 */
export const sharesAppRoot = (pod: Pod): boolean =>
  pod.apps.length === 1 && !pod.apps.some(startsLater) && !pod.sandbox && pod.flavor !== "fly" &&
  pod.privateUsers === undefined;

/** The descriptor of an app's mount namespace, by the app. */
export type AppMounts = ReadonlyMap<PodApp, Slot>;

/** Slots for the namespaces of a pod's apps; empty where they have none apart. */
export function appMounts(pod: Pod): AppMounts {
  const apps = hasAppMounts(pod) ? pod.apps : [];
  return new Map(apps.map((app) => [app, slot(`mounts of ${app.name}`)]));
}

/** Opens the host's /proc while it is in sight: there is no other name for a namespace. */
export function openProc(setup: Section): Slot {
  const proc = slot("host's /proc");
  setup.must("open /proc", "openat", [
    k.AT_FDCWD,
    "/proc",
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: proc });
  return proc;
}

function openMounts(setup: Section, what: string, proc: Slot, store: Slot): void {
  setup.must(what, "openat", [proc, "self/ns/mnt", k.O_RDONLY | k.O_CLOEXEC, 0], { store });
}

/**
 * Adds, for each app, the steps that put its root together, in a namespace of its own.
 *
 * @param proc from {@linkcode openProc}
 * @param attach adds the steps for one app
 */
export function inAppMounts<App extends { readonly app: PodApp }>(
  setup: Section,
  proc: Slot,
  mounts: AppMounts,
  apps: readonly App[],
  attach: (app: App) => void,
): void {
  const own = slot("init's mounts");
  openMounts(setup, "hold init's mounts", proc, own);
  for (const each of apps) {
    const { name } = each.app;
    const held = mounts.get(each.app);
    if (held === undefined) throw new Error(`app ${name} has no mounts apart`);
    setup.must(`have other mounts for app "${name}"`, "unshare", [k.CLONE_NEWNS]);
    attach(each);
    openMounts(setup, `hold the mounts of app "${name}"`, proc, held);
    setup.keep(held, "the app's processes enter it, and rkt cp looks into it");
    setup.must("go back to init's mounts", "setns", [own, k.CLONE_NEWNS]);
  }
  setup.attempt("let go of init's mounts", "close", [own]);
  setup.attempt("close /proc", "close", [proc]);
}

/** What a process of an app does first: mounts that it makes are its own, as those of every process that init starts. */
export function enterAppMounts(steps: Section, at: string, mounts: Slot): void {
  steps.must(`enter the mounts ${at}`, "setns", [mounts, k.CLONE_NEWNS]);
  steps.must(`have mounts of its own ${at}`, "unshare", [k.CLONE_NEWNS]);
}
