/**
 * The overlay that is an app's root.
 *
 * The kernel takes two fifths of the time for it that it takes for a pod's namespaces, and needs nothing of them. So where init
 * has one root to make, the supervisor makes the file system while init makes the namespaces. Both have the descriptor of its
 * context (fsopen(2)); init only mounts it.
 */
import { MOUNT_FLAGS } from "./mount_policy.ts";
import { sharesAppRoot } from "./app_mounts.ts";
import { idmapLayer } from "./private_users.ts";
import { configureMount, type MountOption, newMount } from "../steps/mounts.ts";
import * as k from "../../src/linux/constants.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import type { Pod, PodApp, Root } from "../pod.ts";

type Overlay = Extract<Root, { readonly kind: "overlay" }>;

const TYPE = "overlay";

const whatOf = (app: PodApp) => `mount the root of app "${app.name}"`;

/** overlayfs separates lower directories by colons, and takes a backslash before one that is meant. */
const escaped = (path: string): string => path.replaceAll("\\", "\\\\").replaceAll(":", "\\:");

/** The options; in a user namespace, behind steps that open the lower layers with the users that the pod has. */
function overlayOptions(
  steps: Section,
  pod: Pod,
  app: PodApp,
  { tree, skeleton, layers, durable }: Overlay,
): readonly MountOption[] {
  const what = `open the files of app "${app.name}" for the pod's users`;
  const lower = pod.privateUsers === undefined
    ? `${escaped(tree)}:${escaped(skeleton)}`
    : [tree, skeleton].map((path, i) => idmapLayer(steps, what, path, i)).join(":");
  return [
    ["lowerdir", lower],
    ["upperdir", `${layers}/upper`],
    ["workdir", `${layers}/work`],
    // Without it the end of every pod writes out all that the host's file system has not written yet (ovl_sync_fs).
    ...durable ? [] : [["volatile"] as const],
    // The other attributes that overlayfs keeps its own records in can be set by the host's root alone.
    ...pod.rootless === true ? [["userxattr"] as const] : [],
  ];
}

/** Mounts the root of an app, attached nowhere yet. */
export function mountOverlay(
  steps: Section,
  pod: Pod,
  app: PodApp,
  root: Overlay,
  mount: Slot,
  made?: Slot,
): void {
  const [itself, mounted] = ["overlay: init makes it", "overlay: mounted"];
  const flags = MOUNT_FLAGS.root;
  if (made !== undefined) {
    // It has no file system where the supervisor failed: then init says at which step.
    steps.attempt(whatOf(app), "fsmount", [made, k.FSMOUNT_CLOEXEC, flags], {
      store: mount,
      branch: { when: "error", to: itself },
    });
    steps.attempt("close its context", "close", [made]);
    steps.goto(mounted);
    steps.label(itself);
    steps.attempt("close the context", "close", [made]);
  }
  const options = overlayOptions(steps, pod, app, root);
  newMount(steps, whatOf(app), TYPE, options, flags, mount);
  if (made !== undefined) steps.label(mounted);
}

/** What the supervisor makes for init. */
export interface OverlayAhead {
  /** The context of the file system; init has it, too. */
  readonly context: Slot;
  readonly app: PodApp;
  readonly root: Overlay;
}

/** Steps of the supervisor before it makes init; undefined where init makes its roots itself. */
export function openOverlay(steps: Section, pod: Pod): OverlayAhead | undefined {
  const [app] = pod.apps;
  if (app?.root.kind !== "overlay" || !sharesAppRoot(pod)) return undefined;
  const context = slot("context of the root");
  steps.attempt("open the context of the app's root", "fsopen", [TYPE, k.FSOPEN_CLOEXEC], {
    store: context,
  });
  return { context, app, root: app.root };
}

/** Steps of the supervisor when there are the directories of the overlay. */
export function makeOverlay(steps: Section, pod: Pod, ahead: OverlayAhead): void {
  const { context, app, root } = ahead;
  const options = overlayOptions(steps, pod, app, root);
  configureMount(steps, whatOf(app), context, options, "overlay: is as it is");
  steps.label("overlay: is as it is");
  steps.attempt("leave the context to init", "close", [context]);
}
