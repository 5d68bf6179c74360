/** A pod as stage1 is to run it, out of its manifest and the images' trees. */
import { ownUsers } from "../../linux/own_users.ts";
import type { PodManifest, RuntimeApp } from "../../appc/pod_manifest.ts";
import { rktAnnotationValue } from "../../appc/rkt_annotation.ts";
import type { PodApp, Root } from "../../../stage1/pod.ts";
import { resolveApps } from "../../../stage1/resolve/resolve.ts";
import { flavorOf } from "../directory/flavor.ts";
import { copyPath, overlayPath, type RootKind, volumePath } from "./prepare_pod.ts";

/** Where the apps' files come from. */
export interface PodRoots {
  readonly dataDir: string;
  readonly kind: RootKind;
  /** The root of an app's tree: below `dataDir`, or an absolute path; empty where there is none yet. */
  tree(app: string): string;
  /** Gets the path of whatever in a tree decides something. */
  looked?(path: string): void;
}

/** The parts of a pod's confinement that the caller of rkt decides, not the manifest. */
export interface Confinement {
  /** Whether apps keep all capabilities: `--insecure-options=capabilities`. */
  readonly allCapabilities: boolean;
  /** Whether apps may make all system calls: `--insecure-options=seccomp`. */
  readonly allSystemCalls: boolean;
}

/**
 * Resolves the apps of a manifest over their trees.
 *
 * @throws {Failure} names the app, what it lacks, and the flag that helps
 */
export function resolvePod(
  manifest: PodManifest,
  roots: PodRoots,
  options: Confinement,
): Promise<readonly PodApp[]> {
  // The kernel takes at most 255 bytes for an option of a mount, so what can be is relative to the pod's directory.
  const relative = (path: string) =>
    path.startsWith(`${roots.dataDir}/`) ? `../../..${path.slice(roots.dataDir.length)}` : path;
  return resolveApps(manifest, {
    tree: ({ name }: RuntimeApp) => roots.tree(name),
    root: ({ name, annotations }): Root =>
      roots.kind === "copy" ? { kind: "copy", path: copyPath(name) } : {
        kind: "overlay",
        tree: relative(roots.tree(name)),
        skeleton: relative(`${roots.dataDir}/cas/skeleton`),
        layers: overlayPath(name),
        durable: rktAnnotationValue(annotations, "durableRoot") === "true",
      },
    emptyVolume: volumePath,
    oneUser: ownUsers() === "one",
    ...roots.looked && { looked: roots.looked },
    unconfined: flavorOf(manifest) === "fly",
    ...options,
  });
}
