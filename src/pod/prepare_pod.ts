/** Fills a pod directory: from the manifest and the trees to all that stage1 wants to find there. */
import type { PodManifest, RuntimeApp } from "../appc/pod_manifest.ts";
import { podManifestJson } from "../appc/pod_manifest.ts";
import type { EmptyVolume } from "../appc/volume.ts";
import type { PodDirectory } from "./pod_directory.ts";

/** An app's image, as the store has it. */
export interface AppImage {
  readonly manifestText: string;
  /** The ID of the rendered tree. */
  readonly treeId: string;
  /** Renders the image once more, into a directory that does not exist yet. */
  readonly copyTo: (path: string) => Promise<void>;
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

/** Where stage1 notes how apps started and ended, below the pod's directory. */
const STATUS = "stage1/rootfs/rkt/status";

/**
 * Writes the pod's files.
 *
 * @param images one for each app of the manifest, in its order
 */
export async function preparePod(
  pod: PodDirectory,
  manifest: PodManifest,
  images: readonly AppImage[],
  kind: RootKind,
): Promise<void> {
  Deno.mkdirSync(`${pod.path}/${STATUS}`, { recursive: true, mode: 0o755 });
  for (const [i, app] of manifest.apps.entries()) await prepareApp(pod, app, images[i], kind);
  for (const volume of manifest.volumes) {
    if (volume.kind === "empty") makeVolume(pod, volume);
  }
  // Last: a pod without a manifest was never complete.
  Deno.writeTextFileSync(`${pod.path}/pod`, podManifestJson(manifest), { mode: 0o640 });
}

async function prepareApp(
  pod: PodDirectory,
  { name }: RuntimeApp,
  image: AppImage,
  kind: RootKind,
): Promise<void> {
  const info = `${pod.path}/appsinfo/${name}`;
  Deno.mkdirSync(info, { recursive: true, mode: 0o750 });
  Deno.writeTextFileSync(`${info}/manifest`, image.manifestText, { mode: 0o640 });
  Deno.writeTextFileSync(`${info}/treeStoreID`, image.treeId, { mode: 0o640 });
  if (kind === "copy") {
    return await image.copyTo(`${pod.path}/${copyPath(name)}`);
  }
  const overlay = `${pod.path}/${overlayPath(name)}`;
  Deno.mkdirSync(`${overlay}/upper`, { recursive: true, mode: 0o755 });
  Deno.mkdirSync(`${overlay}/work`, { mode: 0o755 });
}

function makeVolume(pod: PodDirectory, volume: EmptyVolume): void {
  const path = `${pod.path}/${volumePath(volume.name)}`;
  Deno.mkdirSync(path, { recursive: true, mode: 0o755 });
  Deno.chownSync(path, volume.uid, volume.gid);
  Deno.chmodSync(path, volume.mode); // after chown(2), which clears setuid bits
}
