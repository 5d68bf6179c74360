/**
 * Where the store keeps what, below the data directory:
 *
 *     cas/blob/sha512/XX/KEY           uncompressed archives; their mtime is when they were last used
 *     cas/imageManifest/sha512/XX/KEY  their manifests; an image is in the store if this file exists
 *     cas/imageInfo/sha512/XX/KEY      what cannot be told from the archive: who signed it
 *     cas/tree/TREE-ID/rootfs          rendered trees
 *     cas/treeid/KEY                   a link to the image's tree
 *     cas/resolved/QUERY               answers to queries by name, good for one generation
 *     cas/generation                   changes with every import; absent while one is under way
 *     cas/skeleton                     the lowest layer below every tree
 *     cas/db/index.sqlite              the index, which can be rebuilt from the files
 *     cas/tmp                          unfinished work, each directory locked by who does it
 *     locks/prepareLock                shared: publishing, preparing a pod; exclusive: collecting
 *
 * An image's key is the first half of its image ID; XX are the first two digits.
 */

const ALGORITHM = "sha512";

/** Directories of the store that hold one file an image. */
export type ImageFileKind = "blob" | "imageManifest" | "imageInfo";

/** `DATA/cas`. */
export function casPath(dataDir: string): string {
  return `${dataDir}/cas`;
}

/** The directory of all images of a kind whose digits begin with the same two. */
export function shardPath(dataDir: string, kind: ImageFileKind, key: string): string {
  const digits = key.slice(ALGORITHM.length + 1, ALGORITHM.length + 3);
  return `${dataDir}/cas/${kind}/${ALGORITHM}/${digits}`;
}

/** One file of an image. */
export function imagePath(dataDir: string, kind: ImageFileKind, key: string): string {
  return `${shardPath(dataDir, kind, key)}/${key}`;
}

/** A rendered tree, with `rootfs` in it. */
export function treePath(dataDir: string, treeId: string): string {
  return `${dataDir}/cas/tree/${treeId}`;
}
