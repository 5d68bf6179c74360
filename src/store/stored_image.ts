/** What the store hands out, and what its parts see of it: they never import the store itself. */
import type { ImageManifest } from "../appc/image_manifest.ts";
import type { StoreKey } from "../appc/image_id.ts";
import type { ImageName } from "../appc/image_name.ts";
import type { TreeKind } from "./tree/tree_root.ts";

/** An image by its ID, of which at least two digits are given, or by name and labels. */
export type ImageQuery = { readonly id: string } | ImageName;

/** An image that is in the store. */
export interface StoredImage {
  /** What the store keeps it under: the first half of the image ID, or the digest of an OCI image's manifest. */
  readonly key: StoreKey;
  /** Of an OCI image: what its configuration means in App Container's words. */
  readonly manifestText: string;
  /** Parsed when it is asked for, which takes 2 ms the first time. */
  readonly manifest: ImageManifest;
  /** The file whose mtime says when it was last used: the uncompressed archive, or the manifest of an OCI image. */
  readonly blobPath: string;
}

/** An image's rendered tree, never to be written to. */
export interface RenderedTree {
  /** `deps-sha512-…`: what the tree was rendered from. */
  readonly id: string;
  /** How it is kept. */
  readonly kind: TreeKind;
  /** The root file system: an absolute path if the data directory is one. */
  readonly rootfs: string;
  /** Whether it can be looked into: a tree that is an index has to be mounted first, which `Store.tree` does. */
  readonly ready: boolean;
}

/** A lock of the store, until it is disposed. */
export interface HeldLock extends Disposable {
  /** The descriptor through which it is held; closed on exec. */
  readonly fd: number;
}

/** The store as its parts see it: import, rendering, listing, verification and collection. */
export interface ImageStore {
  /** The data directory (`--dir`), like /var/lib/rkt. */
  readonly dataDir: string;
  /** See `Store.resolve`. */
  resolve(query: ImageQuery): Promise<StoredImage | undefined>;
  /** See `Store.read`. */
  read(key: StoreKey): StoredImage | undefined;
  /** See `Store.renderedTree`. */
  renderedTree(image: StoredImage): RenderedTree | undefined;
  /** See `Store.prepareLock`. */
  prepareLock(): HeldLock;
  /** See `Store.collectLock`. */
  collectLock(): HeldLock;
  /** See `Store.skeleton`. */
  skeleton(): string;
}

/** The images and trees of a store that pods need. The caller hands it in: the store knows no pods. */
export interface StoreUse {
  /** The IDs of the trees below the pods. Reads them at each call. */
  trees(): ReadonlySet<string>;
  /** The IDs, maybe cut, of the images of pods that run or will run. Reads them at each call. */
  images(): ReadonlySet<string>;
}
