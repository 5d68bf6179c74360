/**
 * A pod as stage1 is to run it, out of its manifest and the images' trees; of a complete pod all of it stands in its
 * directory: `pod`, `appsinfo/APP/treeStoreID`, and `overlay` where trees are not copied.
 */
import { ownUsers } from "../../linux/own_users.ts";
import { parsePodManifest, type PodManifest, type RuntimeApp } from "../../appc/pod_manifest.ts";
import { rktAnnotationValue } from "../../appc/rkt_annotation.ts";
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { treePath } from "../../store/layout.ts";
import { treeRoot } from "../../store/tree/tree_root.ts";
import type { PodApp, Root } from "../../../stage1/pod.ts";
import { resolveApps } from "../../../stage1/resolve/resolve.ts";
import { type PodView, readPodFile } from "../directory/pod_directory.ts";
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
    ...options,
  });
}

/** A pod that was read from its directory. */
export interface ResolvedPod {
  readonly manifest: PodManifest;
  readonly kind: RootKind;
  /** In the order of the manifest. */
  readonly apps: readonly PodApp[];
}

/**
 * Reads a complete pod: one that was prepared, runs or has run.
 *
 * @throws {Failure} where it is not complete, or what it needs of the host or the store is gone
 */
export async function resolvedPod(
  dataDir: string,
  pod: Pick<PodView, "path" | "uuid">,
  options: Confinement,
): Promise<ResolvedPod> {
  const manifest = completeManifest(pod);
  const kind = rootKindOf(pod);
  const trees = new Map<string, string>();
  for (const { name } of manifest.apps) {
    const tree = kind === "copy"
      ? `${pod.path}/${copyPath(name)}`
      : await podTree(dataDir, treeIdOfApp(pod, name));
    trees.set(name, tree);
  }
  const roots: PodRoots = { dataDir, kind, tree: (app) => trees.get(app) ?? "" };
  return { manifest, kind, apps: await resolvePod(manifest, roots, options) };
}

/** The root of a pod's tree, mounted where it has to be. */
export async function podTree(dataDir: string, id: string): Promise<string> {
  const root = treeRoot(dataDir, id);
  if (root?.ready === true) return root.path;
  if (root === undefined) return `${treePath(dataDir, id)}/rootfs`;
  const { readyTree } = await import("../../store/tree/mount_tree.ts");
  return readyTree(dataDir, id);
}

/**
 * The manifest of a complete pod, checked.
 *
 * @throws {Failure} where there is none
 */
export function completeManifest(pod: Pick<PodView, "path" | "uuid">): PodManifest {
  const text = readPodFile(pod, "pod");
  if (text === undefined) {
    throw new Failure(`pod "${pod.uuid}" has no manifest: it is not complete`);
  }
  return parsePodManifest(text);
}

/** How the trees of a complete pod have become roots. */
export function rootKindOf(pod: Pick<PodView, "path">): RootKind {
  return exists(`${pod.path}/overlay`) ? "overlay" : "copy";
}

export function treeIdOfApp(pod: Pick<PodView, "path" | "uuid">, app: string): string {
  const id = readPodFile(pod, `appsinfo/${app}/treeStoreID`)?.trim();
  if (id !== undefined && /^[0-9a-z-]+$/.test(id)) return id;
  throw new Failure(`pod "${pod.uuid}" does not say which tree its app "${app}" has`);
}
