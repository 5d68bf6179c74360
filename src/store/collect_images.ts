/** Removing images and trees from the store. */
import type { StoreKey } from "../appc/image_id.ts";
import type { ImageManifest } from "../appc/image_manifest.ts";
import { hasLabels } from "../appc/label.ts";
import { exists } from "../linux/exists.ts";
import { dependencyQuery } from "./image_graph.ts";
import { type ImageFileKind, imagePath, treePath } from "./layout.ts";
import { changeIndex } from "./open_index.ts";
import type { ImageStore, StoredImage, StoreUse } from "./stored_image.ts";
import { storedKeys } from "./stored_keys.ts";
import { sweepTemp, TempDirectory } from "./temp_directory.ts";

/** What to collect, and who is told about it. */
export interface CollectImagesOptions {
  /** How long images are kept after their last use, in milliseconds. */
  readonly gracePeriod: number;
  /** What pods need; asked under the lock that keeps new pods away. */
  readonly inUse: StoreUse;
  readonly onTree: (treeId: string) => void;
  readonly onImage: (key: StoreKey) => void;
  readonly onLeft: (line: string) => void;
}

/**
 * Removes the trees that no pod uses, and the images that nobody has used for some time, no running
 * pod uses and no image that stays depends on.
 *
 * Under the lock that keeps runs and imports away things are only moved, and deleted afterwards: so
 * the others wait for milliseconds, however much there is to delete.
 *
 * @returns bytes of disk space that were given back
 */
export function collectImages(store: ImageStore, options: CollectImagesOptions): number {
  if (!exists(`${store.dataDir}/cas`)) return 0;
  using trash = TempDirectory.create(store.dataDir);
  {
    using _lock = store.collectLock();
    moveTrees(store.dataDir, trash, options);
    moveImages(store, trash, options);
    moveHalves(store.dataDir, trash);
    for (const { name } of Deno.readDirSync(`${store.dataDir}/cas/resolved`)) {
      trash.take(`${store.dataDir}/cas/resolved/${name}`);
    }
  }
  const { freed, left } = trash.delete();
  const sweep = sweepTemp(store.dataDir);
  for (const line of left === undefined ? sweep.left : [left, ...sweep.left]) {
    options.onLeft(`stays until the next gc: ${line}`);
  }
  return freed + sweep.freed;
}

function moveTrees(dataDir: string, trash: TempDirectory, options: CollectImagesOptions): void {
  const used = options.inUse.trees();
  for (const { name } of Deno.readDirSync(`${dataDir}/cas/tree`)) {
    if (used.has(name)) continue;
    trash.take(treePath(dataDir, name));
    options.onTree(name);
  }
  for (const { name } of Deno.readDirSync(`${dataDir}/cas/treeid`)) {
    const link = `${dataDir}/cas/treeid/${name}`;
    const tree = treePath(dataDir, Deno.readLinkSync(link).replace(/^.*\//, ""));
    if (!exists(tree)) trash.take(link);
  }
}

function moveImages(store: ImageStore, trash: TempDirectory, options: CollectImagesOptions): void {
  const { dataDir } = store;
  const used = [...options.inUse.images()];
  const keys = storedKeys(dataDir, "imageManifest");
  const stay = keys.filter((key) => {
    // Pod manifests may have whole image IDs, of which the key is the beginning, or cut ones.
    const inUse = used.some((id) => id.startsWith(key) || key.startsWith(id));
    return inUse || Date.now() - lastUsed(dataDir, key) < options.gracePeriod;
  });
  const needed = stay.length < keys.length ? withDependencies(store, keys, stay) : new Set(stay);
  const old = keys.filter((key) => !needed.has(key));
  removeImages(dataDir, old, trash);
  old.forEach(options.onImage);
}

/** Some images with all below them. Of several that a dependency may stand for, all count. */
function withDependencies(
  store: ImageStore,
  keys: readonly StoreKey[],
  some: readonly StoreKey[],
): Set<StoreKey> {
  const images = keys.map((key) => store.read(key)).filter((image) => image !== undefined);
  const needed = new Set(some);
  // A set's iterator also comes to what is added meanwhile.
  for (const key of needed) {
    const image = images.find((each) => each.key === key);
    for (const dependency of readableManifest(image)?.dependencies ?? []) {
      const query = dependencyQuery(dependency);
      const found = images.filter((each) => {
        if ("id" in query) return query.id.startsWith(each.key) || each.key.startsWith(query.id);
        const manifest = readableManifest(each);
        return manifest?.name === query.name && hasLabels(manifest.labels, query.labels);
      });
      for (const each of found) needed.add(each.key);
    }
  }
  return needed;
}

/** A damaged manifest must not keep the rest of the store from being collected. */
function readableManifest(image: StoredImage | undefined): ImageManifest | undefined {
  try {
    return image?.manifest;
  } catch {
    return undefined;
  }
}

/** When an image was last used, in milliseconds since 1970: its import counts too. */
export function lastUsed(dataDir: string, key: StoreKey): number {
  const path = imagePath(dataDir, "blob", key);
  return exists(path) ? Deno.lstatSync(path).mtime?.getTime() ?? 0 : 0;
}

/** Files of images that are there only in part, as a crash may leave them. */
function moveHalves(dataDir: string, trash: TempDirectory): void {
  const manifests = new Set(storedKeys(dataDir, "imageManifest"));
  const blobs = new Set(storedKeys(dataDir, "blob"));
  for (const kind of ["blob", "imageInfo"] as const) {
    for (const key of storedKeys(dataDir, kind)) {
      if (!manifests.has(key)) trash.take(imagePath(dataDir, kind, key));
    }
  }
  removeImages(dataDir, [...manifests].filter((key) => !blobs.has(key)), trash);
}

/** In this order: without a manifest there is no image, whatever else is still there. */
const KINDS: readonly ImageFileKind[] = ["imageManifest", "imageInfo", "blob"];

function removeImages(dataDir: string, keys: readonly StoreKey[], trash: TempDirectory): void {
  if (keys.length === 0) return;
  for (const key of keys) {
    for (const kind of KINDS) trash.take(imagePath(dataDir, kind, key));
    trash.take(`${dataDir}/cas/treeid/${key}`);
  }
  changeIndex(dataDir, (index) => keys.forEach((key) => index.remove(key)));
}

/**
 * Removes one image. Its tree stays for the pods that use it, until `image gc`.
 *
 * @returns bytes of disk space that were given back
 */
export function removeImage(store: ImageStore, key: StoreKey): number {
  using trash = TempDirectory.create(store.dataDir);
  {
    using _lock = store.collectLock();
    removeImages(store.dataDir, [key], trash);
  }
  return trash.delete().freed;
}
