/** The contents of a pod's directory for stage1: the manifest, the images' manifests, and directories for changes. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { podManifestJson } from "./pod_manifest_json.ts";
import { rktAnnotationValue } from "../../appc/rkt_annotation.ts";
import { NAME_FILE } from "../directory/locked_pod.ts";
import { LOGS } from "../../../stage1/output/log_files.ts";
import type { RootAttributes } from "./root_attributes.ts";
import type { Volume } from "../../appc/volume.ts";
import type { PodEntry } from "../../../stage1/pod.ts";
import type { PrivateUsers } from "../../../stage1/root/pod_users.ts";
import { appStreams } from "../../../stage1/resolve/resolve_streams.ts";
import { PRIVATE_USERS, privateUsersText, toHostId } from "../../../stage1/root/private_users.ts";
import { isLogged } from "../../../stage1/output/streams.ts";

/** An app's image, as the store has it. */
export interface AppImage {
  readonly manifestText: string;
  /** The ID of the rendered tree. */
  readonly treeId: string;
  /** Of the tree's root directory. */
  readonly root: RootAttributes;
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

const directory = (path: string, mode = 0o755): PodEntry => ({ kind: "directory", path, mode });
const file = (path: string, text: string): PodEntry => ({ kind: "file", path, text });

/**
 * The files and directories of a pod. The manifest comes last: a pod without one was never complete.
 *
 * @param images one for each app of the manifest, in its order
 */
export function podEntries(
  manifest: PodManifest,
  images: readonly AppImage[],
  kind: RootKind,
  privateUsers?: PrivateUsers,
): readonly PodEntry[] {
  const name = rktAnnotationValue(manifest.annotations, "podName");
  const logged = manifest.apps.some((app) => isLogged(appStreams(app)));
  const volumes = manifest.volumes.flatMap((volume) => volumeEntries(volume, privateUsers));
  return [
    directory("stage1"),
    directory("stage1/rootfs"),
    directory("stage1/rootfs/rkt"),
    directory("stage1/rootfs/rkt/status"), // where init notes how apps started and ended
    directory("appsinfo", 0o750),
    ...kind === "copy" ? [] : [directory("overlay")],
    ...manifest.apps.flatMap(({ name }, i) => {
      const image = images[i];
      if (image === undefined) throw new Error(`app "${name}" has no image`);
      return appEntries(name, image, kind, privateUsers);
    }),
    ...logged ? [directory(LOGS, 0o750)] : [],
    ...volumes.length === 0 ? [] : [directory("sharedVolumes")],
    ...volumes,
    ...name === undefined ? [] : [file(NAME_FILE, name)],
    ...privateUsers === undefined ? [] : [file(PRIVATE_USERS, privateUsersText(privateUsers))],
    file("pod", podManifestJson(manifest)),
  ];
}

/** The entries of a pod's directory that belong to one app. */
export function appEntries(
  name: string,
  image: AppImage,
  kind: RootKind,
  users?: PrivateUsers,
): readonly PodEntry[] {
  return [
    directory(`appsinfo/${name}`, 0o750),
    file(`appsinfo/${name}/manifest`, image.manifestText),
    file(`appsinfo/${name}/treeStoreID`, image.treeId),
    ...kind === "copy" ? [] : [
      directory(overlayPath(name)),
      upperLayer(`${overlayPath(name)}/upper`, image.root, users),
      directory(`${overlayPath(name)}/work`),
    ],
  ];
}

/** The layer that the app writes to: its directory is the root directory of the app. */
function upperLayer(
  path: string,
  { mode, uid, gid, attributes }: RootAttributes,
  users: PrivateUsers | undefined,
): PodEntry {
  if (mode === 0o755 && uid === 0 && gid === 0 && attributes.length === 0 && users === undefined) {
    return directory(path);
  }
  return {
    kind: "owned",
    path,
    mode,
    uid: toHostId(uid, users, "uid"),
    gid: toHostId(gid, users, "gid"),
    attributes,
  };
}

/** The directory of an empty volume; nothing for other kinds. */
export function volumeEntries(volume: Volume, users?: PrivateUsers): readonly PodEntry[] {
  if (volume.kind !== "empty") return [];
  const { name, mode, uid, gid } = volume;
  return [{
    kind: "owned",
    path: volumePath(name),
    mode,
    uid: toHostId(uid, users, "uid"),
    gid: toHostId(gid, users, "gid"),
  }];
}
