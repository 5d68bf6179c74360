/**
 * A complete pod as stage1 is to run it. All of it stands in its directory: `pod`, `appsinfo/APP/treeStoreID`, and `overlay`
 * where trees are not copied.
 */
import { parsePodManifest, type PodManifest } from "../../appc/pod_manifest.ts";
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { treePath } from "../../store/layout.ts";
import { treeRoot } from "../../store/tree/tree_root.ts";
import type { PodApp } from "../../../stage1/pod.ts";
import { type PodView, readPodFile } from "../directory/pod_directory.ts";
import { copyPath, type RootKind } from "./prepare_pod.ts";
import { type Confinement, type PodRoots, resolvePod } from "./resolve_pod.ts";

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
  return treeIdOf(pod, `appsinfo/${app}/treeStoreID`, `app "${app}"`);
}

/**
 * The ID of a tree, from a file of the pod.
 *
 * @param whose for the message
 * @throws {Failure} where there is none
 */
export function treeIdOf(
  pod: Pick<PodView, "path" | "uuid">,
  file: string,
  whose: string,
): string {
  const id = readPodFile(pod, file)?.trim();
  if (id !== undefined && /^[0-9a-z-]+$/.test(id)) return id;
  throw new Failure(`pod "${pod.uuid}" does not say which tree its ${whose} has`);
}
