/**
 * Volumes that images of docker's kind expect: where nobody gives one, it is an empty volume, which begins with what the image
 * has in its place, with that owner and mode (docker's VOLUME).
 */
import { TreeEntries } from "../../aci/tree_entries.ts";
import { TreeWriter } from "../../aci/tree_writer.ts";
import { isOciImageId } from "../../appc/image_id.ts";
import { DOCKER_PREFIX } from "../../appc/annotation.ts";
import type { PodManifest, RuntimeApp } from "../../appc/pod_manifest.ts";
import type { EmptyVolume, Volume } from "../../appc/volume.ts";
import { byteStringOfText } from "../../linux/byte_string.ts";
import { volumePath } from "../../pod/make/prepare_pod.ts";
import type { PrivateUsers } from "../../../stage1/root/pod_users.ts";
import { ImageRoot } from "../../../stage1/resolve/user.ts";
import { toHostId } from "../../../stage1/root/private_users.ts";

/** A volume that begins with files of an image. */
export interface VolumeFill {
  readonly volume: string;
  /** The directory in the image's tree. */
  readonly source: string;
}

/** The images of a pod's apps, as files. */
export interface ImageTrees {
  /** The rendered tree of an app. */
  readonly tree: (app: string) => string;
  /** Told of the host path of every file that is looked at. */
  readonly looked?: (path: string) => void;
}

/** A manifest, and what the volumes of its pod begin with. */
export interface FilledManifest {
  readonly manifest: PodManifest;
  readonly fills: readonly VolumeFill[];
}

/** Whether an app's image is of docker's kind: an OCI image, or one that docker2aci made. */
export function isOfDocker({ image, annotations }: RuntimeApp): boolean {
  return isOciImageId(image.id) || annotations.some(({ name }) => name.startsWith(DOCKER_PREFIX));
}

/**
 * Gives the volumes that were made for mount points of images the owner and mode of their places in the images.
 *
 * @param given the volumes that somebody asked for: they stay as they are
 */
export function imageVolumes(
  manifest: PodManifest,
  given: readonly Volume[],
  { tree, looked }: ImageTrees,
): FilledManifest {
  const asked = new Set<string>(given.map(({ name }) => name));
  const changed = new Map<string, EmptyVolume>();
  const fills: VolumeFill[] = [];
  for (const app of manifest.apps.filter(isOfDocker)) {
    using root = new ImageRoot(tree(app.name), looked);
    for (const { volume: name, path } of app.mounts) {
      const volume = manifest.volumes.find((each) => each.name === name);
      if (volume?.kind !== "empty" || asked.has(name) || changed.has(name)) continue;
      const found = root.directory(path.slice(1));
      if (found === undefined) continue;
      const { mode, uid, gid, path: source, isEmpty } = found;
      changed.set(name, { ...volume, mode, uid, gid });
      if (!isEmpty) fills.push({ volume: name, source });
    }
  }
  const volumes = manifest.volumes.map((volume) => changed.get(volume.name) ?? volume);
  return { manifest: { ...manifest, volumes }, fills };
}

/**
 * Copies the files of images into volumes of a pod.
 *
 * @param pod its directory
 */
export function fillVolumes(
  pod: string,
  fills: readonly VolumeFill[],
  users: PrivateUsers | undefined,
): void {
  const maps = {
    mapUid: (id: number) => toHostId(id, users, "uid"),
    mapGid: (id: number) => toHostId(id, users, "gid"),
  };
  for (const { volume, source } of fills) {
    using writer = new TreeWriter(`${pod}/${volumePath(volume)}`, maps);
    let file;
    for (const item of new TreeEntries(source, byteStringOfText("")).root()) {
      if (item instanceof Uint8Array) {
        if (file !== undefined) writer.data(file, item, 0, item.length, 0);
        continue;
      }
      if (file !== undefined) writer.end(file);
      file = undefined;
      if (item.kind === "hardlink") writer.link(item.path, item.link);
      else writer.create(item.path, item);
      if (item.kind === "file") file = item;
    }
    if (file !== undefined) writer.end(file);
    writer.finish();
  }
}
