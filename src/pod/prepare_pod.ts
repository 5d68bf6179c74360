/** What stage1 wants to find in a pod's directory: the manifest, the images' manifests, places for what changes. */
import type { PodManifest } from "../appc/pod_manifest.ts";
import { podManifestJson } from "../appc/pod_manifest.ts";
import { LOGS } from "../../stage1/logger.ts";
import type { PodEntry } from "../../stage1/pod.ts";
import { appStreams } from "../../stage1/resolve_streams.ts";
import { isLogged } from "../../stage1/streams.ts";

/** An app's image, as the store has it. */
export interface AppImage {
  readonly manifestText: string;
  /** The ID of the rendered tree. */
  readonly treeId: string;
}

/** How trees become roots: a layer to write to above the tree, or a copy. */
export type RootKind = "overlay" | "copy";

/** Where an app's changes are, below the pod's directory. */
export function overlayPath(app: string): string {
  return `overlay/${app}`;
}

/** Where an app's copy of its tree is, below the pod's directory. */
export function copyPath(app: string): string {
  return `stage1/rootfs/opt/stage2/${app}/rootfs`;
}

/** Where an empty volume is, below the pod's directory. */
export function volumePath(name: string): string {
  return `sharedVolumes/${name}`;
}

/**
 * The files and directories of a pod. The manifest comes last: a pod without one was never complete.
 *
 * @param images one for each app of the manifest, in its order
 */
export function podEntries(
  manifest: PodManifest,
  images: readonly AppImage[],
  kind: RootKind,
): readonly PodEntry[] {
  const directory = (path: string, mode = 0o755): PodEntry => ({ kind: "directory", path, mode });
  const file = (path: string, text: string): PodEntry => ({ kind: "file", path, text });
  const apps = manifest.apps.flatMap(({ name }, i) => [
    directory(`appsinfo/${name}`, 0o750),
    file(`appsinfo/${name}/manifest`, images[i].manifestText),
    file(`appsinfo/${name}/treeStoreID`, images[i].treeId),
    ...kind === "copy" ? [] : [
      directory(overlayPath(name)),
      directory(`${overlayPath(name)}/upper`),
      directory(`${overlayPath(name)}/work`),
    ],
  ]);
  const logged = manifest.apps.some((app) => isLogged(appStreams(app)));
  const empty = manifest.volumes.filter((volume) => volume.kind === "empty");
  return [
    directory("stage1"),
    directory("stage1/rootfs"),
    directory("stage1/rootfs/rkt"),
    directory("stage1/rootfs/rkt/status"), // where init notes how apps started and ended
    directory("appsinfo", 0o750),
    ...kind === "copy" ? [] : [directory("overlay")],
    ...apps,
    ...logged ? [directory(LOGS, 0o750)] : [],
    ...empty.length === 0 ? [] : [directory("sharedVolumes")],
    ...empty.map(({ name, mode, uid, gid }): PodEntry => ({
      kind: "volume",
      path: volumePath(name),
      mode,
      uid,
      gid,
    })),
    file("pod", podManifestJson(manifest)),
  ];
}
