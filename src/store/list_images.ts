import type { StoreKey } from "../appc/image_id.ts";
import type { ImageManifest } from "../appc/image_manifest.ts";
import { AppcError } from "../appc/error.ts";
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";
import { lastUsed } from "./collect_images.ts";
import type { Signer } from "./image_info.ts";
import type { ImageIndex, IndexedImage } from "./image_index.ts";
import { imageGraph } from "./image_graph.ts";
import { SIZE_FILE, treePath } from "./layout.ts";
import { openIndex } from "./open_index.ts";
import type { ImageStore, StoredImage } from "./stored_image.ts";
import { treeSize } from "./tree_comparison.ts";
import { treeIdOf } from "./tree_id.ts";
import { VERITY_FILE } from "./tree/mount_tree.ts";
import { type TreeKind, treeRoot } from "./tree/tree_root.ts";

/** How an image's tree is kept: an index may be one whose files the kernel verifies. */
export type ListedTree = TreeKind | typeof SEALED;
const SEALED = "erofs+verity";

/** An image of the store, with all that is known about it. */
export interface ListedImage {
  readonly key: StoreKey;
  readonly manifest: ImageManifest;
  /** Bytes of the archive and of the rendered tree. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly importTime: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number;
  readonly signers: readonly Signer[];
  /** How its tree is kept; undefined where it has none, or who asks may not look. */
  readonly tree: ListedTree | undefined;
}

/** All images of the store, in the order of their import. */
export async function listImages(store: ImageStore): Promise<ListedImage[]> {
  using index = openIndex(store.dataDir);
  const listed: ListedImage[] = [];
  for (const row of index.images()) {
    const image = await listedImage(store, index, row);
    if (image !== undefined) listed.push(image);
  }
  return listed;
}

/** One image, without a look at the others. */
export async function listImage(
  store: ImageStore,
  key: StoreKey,
): Promise<ListedImage | undefined> {
  using index = openIndex(store.dataDir);
  const row = index.image(key);
  return row && await listedImage(store, index, row);
}

async function listedImage(
  store: ImageStore,
  index: ImageIndex,
  { key, importTime, size }: IndexedImage,
): Promise<ListedImage | undefined> {
  const image = readable(store, key);
  if (image === undefined) return undefined;
  const tree = await treeOf(store, image);
  return {
    key,
    manifest: image.manifest,
    size: size + (tree?.size ?? 0),
    tree: tree?.kind,
    importTime,
    lastUsed: lastUsed(store.dataDir, key),
    signers: index.signers(key),
  };
}

/** Undefined for an image that is removed meanwhile, or whose manifest is damaged. */
function readable(store: ImageStore, key: StoreKey): StoredImage | undefined {
  try {
    const image = store.read(key);
    return image?.manifest === undefined ? undefined : image;
  } catch (error) {
    if (error instanceof AppcError) return undefined;
    throw error;
  }
}

/** An image's tree, and its bytes; undefined where it has none, or who asks may not look into it. */
async function treeOf(
  store: ImageStore,
  image: StoredImage,
): Promise<{ readonly kind: ListedTree; readonly size: number } | undefined> {
  try {
    const id = store.renderedTree(image)?.id ??
      await treeIdOf((await imageGraph(store, image)).keys);
    const root = treeRoot(store.dataDir, id);
    const kind = exists(`${treePath(store.dataDir, id)}/${VERITY_FILE}`) ? SEALED : root?.kind;
    return root && kind && { kind, size: sizeOf(treePath(store.dataDir, id)) };
  } catch (error) {
    if (error instanceof Failure || error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

/** The size of a tree: that of its index, or what was written down when its files were made, or all of them counted. */
function sizeOf(path: string): number {
  if (!exists(`${path}/rootfs`)) return Deno.statSync(`${path}/index.erofs`).size;
  const file = `${path}/${SIZE_FILE}`;
  if (exists(file)) {
    const size = Number(Deno.readTextFileSync(file));
    if (Number.isSafeInteger(size) && size > 0) return size;
  }
  return treeSize(`${path}/rootfs`);
}
