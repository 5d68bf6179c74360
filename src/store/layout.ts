/**
 * Where the store keeps what, below the data directory:
 *
 *     cas/blob/sha512/XX/KEY           uncompressed archives; their mtime is when they were last used
 *     cas/imageManifest/sha512/XX/KEY  their manifests; an image is in the store if this file exists
 *     cas/imageInfo/sha512/XX/KEY      what cannot be told from the archive: who signed it
 *     cas/imageManifest/sha256/XX/KEY  what OCI images mean in App Container's words
 *     cas/imageInfo/sha256/XX/KEY      as above
 *     cas/ociManifest/sha256/XX/KEY    their manifests as published; the mtime is when they were last used
 *     cas/ociConfig/sha256/XX/KEY      their configurations as published
 *     cas/layer/sha256/XX/DIFF-ID      layers as tars, each once for all images that have it
 *     cas/compressedLayer/sha256/XX/DIFF-ID  those that are kept compressed, in a form that the kernel reads
 *     cas/references                   which OCI images the names of registries stand for
 *     cas/tree/TREE-ID/rootfs          rendered trees that are extracted
 *     cas/tree/TREE-ID/index.erofs     those that are indexes; beside it `1`, `2` …: hard links to the archives
 *     cas/index-method                 how indexes can be mounted here, or `off`
 *     cas/layer-format                 `tar`: no layer is to be compressed; by the administrator
 *     cas/treeid/KEY                   a link to the image's tree
 *     cas/resolved/QUERY               answers to queries by name, good for one generation
 *     cas/generation                   changes with every import; absent while one is under way
 *     cas/skeleton                     the lowest layer below every tree
 *     cas/db/index.sqlite              the index, which can be rebuilt from the files
 *     cas/tmp                          unfinished work, each directory locked by who does it
 *     locks/prepareLock                shared: publishing, preparing a pod; exclusive: collecting
 *
 * An image's key is the first half of its image ID; of an OCI image, which has no App Container archive, the digest of its
 * manifest. XX are the first two digits.
 */
import { isOciImageId } from "../appc/image_id.ts";

/** Directories of the store that hold one file an image; `layer` and `compressedLayer` one a layer. */
export type ImageFileKind =
  | "blob"
  | "imageManifest"
  | "imageInfo"
  | "ociManifest"
  | "ociConfig"
  | "layer"
  | "compressedLayer";

/** The forms in which a layer may be kept. */
export const LAYER_KINDS = ["layer", "compressedLayer"] as const;

/** `DATA/cas`. */
export function casPath(dataDir: string): string {
  return `${dataDir}/cas`;
}

/** The directory of all images of a kind whose digits begin with the same two. */
export function shardPath(dataDir: string, kind: ImageFileKind, key: string): string {
  const [algorithm, digits] = [key.slice(0, "sha512".length), key.slice("sha512-".length)];
  return `${dataDir}/cas/${kind}/${algorithm}/${digits.slice(0, 2)}`;
}

/** One file of an image. */
export function imagePath(dataDir: string, kind: ImageFileKind, key: string): string {
  return `${shardPath(dataDir, kind, key)}/${key}`;
}

/** The file whose mtime says when an image was last used: the archive, or the manifest of an OCI image. */
export function usedPath(dataDir: string, key: string): string {
  return imagePath(dataDir, isOciImageId(key) ? "ociManifest" : "blob", key);
}

/** The file of an extracted tree that says how many bytes its files have: decimal digits. */
export const SIZE_FILE = "size";

/** A rendered tree, with `rootfs` in it. */
export function treePath(dataDir: string, treeId: string): string {
  return `${dataDir}/cas/tree/${treeId}`;
}
