/** Removing images and trees from the store. */
import { isOciImageId, type StoreKey } from "../appc/image_id.ts";
import type { ImageManifest } from "../appc/image_manifest.ts";
import { hasLabels } from "../appc/label.ts";
import { exists } from "../linux/exists.ts";
import { dependencyQuery } from "./image_graph.ts";
import { type ImageFileKind, imagePath, LAYER_KINDS, treePath, usedPath } from "./layout.ts";
import { changeIndex } from "./open_index.ts";
import { readReferences } from "./oci/references.ts";
import { writeReferences } from "./oci/write_references.ts";
import type { ImageStore, StoredImage, StoreUse } from "./stored_image.ts";
import { storedKeys } from "./stored_keys.ts";
import { sweepTemp, TempDirectory } from "./temp_directory.ts";
import { treeIdOf } from "./tree_id.ts";
import { detachTrees } from "./tree/mount_tree.ts";
import { isIndex } from "./tree/tree_root.ts";

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
    moveImages(store, trash, options);
    moveTrees(store.dataDir, trash, options);
    moveHalves(store.dataDir, trash);
    moveLayers(store.dataDir, trash, options.gracePeriod);
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

/** After the images. Indexes of images that stay do so too: they take little, and making them anew takes reading the archive. */
function moveTrees(dataDir: string, trash: TempDirectory, options: CollectImagesOptions): void {
  const used = options.inUse.trees();
  // Those that a start has mounted that was killed, too.
  detachTrees(dataDir, (name) => !used.has(name));
  const links = Array.from(Deno.readDirSync(`${dataDir}/cas/treeid`), ({ name }) => {
    const path = `${dataDir}/cas/treeid/${name}`;
    return { path, tree: Deno.readLinkSync(path).replace(/^.*\//, "") };
  });
  const linked = new Set(links.map(({ tree }) => tree));
  for (const { name } of Deno.readDirSync(`${dataDir}/cas/tree`)) {
    if (used.has(name) || (linked.has(name) && isIndex(dataDir, name))) continue;
    trash.take(treePath(dataDir, name));
    options.onTree(name);
  }
  for (const { path, tree } of links) if (!exists(treePath(dataDir, tree))) trash.take(path);
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
  const path = usedPath(dataDir, key);
  return exists(path) ? Deno.lstatSync(path).mtime?.getTime() ?? 0 : 0;
}

/** Files of images that are there only in part, as a crash may leave them. */
function moveHalves(dataDir: string, trash: TempDirectory): void {
  const manifests = new Set(storedKeys(dataDir, "imageManifest"));
  for (const kind of KINDS) {
    for (const key of storedKeys(dataDir, kind)) {
      if (!manifests.has(key)) trash.take(imagePath(dataDir, kind, key));
    }
  }
  removeImages(
    dataDir,
    [...manifests].filter((key) => !exists(usedPath(dataDir, key))),
    trash,
  );
}

/** In this order: without a manifest there is no image, whatever else is still there. */
const KINDS: readonly ImageFileKind[] = [
  ...["imageManifest", "imageInfo", "blob", "ociManifest", "ociConfig"] as const,
];

function removeImages(dataDir: string, keys: readonly StoreKey[], trash: TempDirectory): void {
  if (keys.length === 0) return;
  const layers = keys.flatMap((key) => layersOf(dataDir, key));
  for (const key of keys) {
    for (const kind of KINDS) trash.take(imagePath(dataDir, kind, key));
    trash.take(`${dataDir}/cas/treeid/${key}`);
  }
  const removed = new Set<string>(keys);
  changeIndex(dataDir, (index) => {
    for (const key of keys) index.remove(key);
    const references = Object.entries(readReferences(dataDir));
    const left = references.filter(([, { key }]) => !removed.has(key));
    if (left.length < references.length) writeReferences(dataDir, Object.fromEntries(left));
  });
  if (layers.length === 0) return;
  const needed = neededLayers(dataDir);
  for (const layer of layers) {
    if (needed.has(layer)) continue;
    for (const kind of LAYER_KINDS) trash.take(imagePath(dataDir, kind, layer));
  }
}

/** The layers of an OCI image, by their names in the store; none of an image whose configuration can't be read. */
function layersOf(dataDir: string, key: StoreKey): readonly string[] {
  if (!isOciImageId(key)) return [];
  try {
    const text = Deno.readTextFileSync(imagePath(dataDir, "ociConfig", key));
    const config: { rootfs?: { diff_ids?: readonly unknown[] } } = JSON.parse(text);
    const diffIds = config.rootfs?.diff_ids ?? [];
    return diffIds.flatMap((id) => typeof id === "string" ? [id.replace(":", "-")] : []);
  } catch {
    return [];
  }
}

/** The layers that images of the store are made of. */
function neededLayers(dataDir: string): ReadonlySet<string> {
  return new Set(storedKeys(dataDir, "ociConfig").flatMap((key) => layersOf(dataDir, key)));
}

/** Layers that no image is made of: of pulls that were interrupted, which may go on for a while. */
function moveLayers(dataDir: string, trash: TempDirectory, gracePeriod: number): void {
  const needed = neededLayers(dataDir);
  for (const kind of LAYER_KINDS) {
    for (const layer of storedKeys(dataDir, kind)) {
      const path = imagePath(dataDir, kind, layer);
      const age = Date.now() - (Deno.lstatSync(path).mtime?.getTime() ?? 0);
      if (!needed.has(layer) && age >= gracePeriod) trash.take(path);
    }
  }
}

/**
 * Removes one image. Its tree stays for the pods that use it, and one that is made of files until `image gc`.
 *
 * @returns bytes of disk space that were given back
 */
export async function removeImage(
  store: ImageStore,
  key: StoreKey,
  inUse: StoreUse,
): Promise<number> {
  const { dataDir } = store;
  const tree = await treeIdOf([key]);
  using trash = TempDirectory.create(dataDir);
  {
    using _lock = store.collectLock();
    // An index is two files; as long as it is there, so is the archive.
    if (isIndex(dataDir, tree) && !inUse.trees().has(tree)) {
      detachTrees(dataDir, (name) => name === tree);
      trash.take(treePath(dataDir, tree));
    }
    removeImages(dataDir, [key], trash);
  }
  return trash.delete().freed;
}
