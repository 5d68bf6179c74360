/** Checking an image in the store: its archive against its ID, its tree against its archive. */
import { createHash } from "node:crypto";
import { CHUNK_SIZE } from "../aci/bytes/source.ts";
import { isOciImageId, STORE_KEY_LENGTH } from "../appc/image_id.ts";
import { digestAlgorithm } from "../oci/digest.ts";
import { Failure } from "../failure.ts";
import { KernelError } from "../linux/errno.ts";
import { exists } from "../linux/exists.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import { syncFileSystem } from "../linux/sync.ts";
import { type ImageGraph, imageGraph } from "./image_graph.ts";
import { treePath } from "./layout.ts";
import { renderInto } from "./render_tree.ts";
import type { ImageStore, StoredImage, StoreUse } from "./stored_image.ts";
import { TempDirectory } from "./temp_directory.ts";
import { indexDifference, treeDifference } from "./tree_comparison.ts";
import { treeIdOf } from "./tree_id.ts";
import { detachTrees } from "./tree/mount_tree.ts";
import { renderIndex } from "./tree/tree_index.ts";
import { isIndex } from "./tree/tree_root.ts";
import { AT_FDCWD, RENAME_EXCHANGE } from "../linux/constants.ts";

/**
 * Checks an image. A damaged tree is replaced by one that is rendered anew.
 *
 * @param inUse what pods need: a tree below a pod is never replaced
 * @returns what was wrong with the tree, like `/bin/sh is changed`; undefined where nothing was
 * @throws {Failure} where the archive is damaged, or the damaged tree is in use
 */
export async function verifyImage(
  store: ImageStore,
  image: StoredImage,
  inUse: StoreUse,
): Promise<string | undefined> {
  if (isOciImageId(image.key)) await checkOciDocuments(store.dataDir, image);
  else checkBlob(image);
  const graph = await imageGraph(store, image);
  const id = await treeIdOf(graph.keys);
  if (!exists(treePath(store.dataDir, id))) {
    if (isOciImageId(image.key)) await checkOciLayers(store.dataDir, image);
    return undefined;
  }
  using temp = TempDirectory.create(store.dataDir);
  // The rendering hashes every archive that goes into the tree.
  const right = await renderAlike(store, graph, id, temp.path);
  const difference = compare(store, id, right);
  if (difference !== undefined) replaceTree(store, image, id, right, difference, inUse);
  return difference;
}

/** Renders a tree anew, of the kind of the one that is there. Returns its path. */
async function renderAlike(
  { dataDir }: ImageStore,
  graph: ImageGraph,
  id: string,
  temp: string,
): Promise<string> {
  const tree = `${temp}/tree`;
  const indexed = isIndex(dataDir, id) && await renderIndex(dataDir, graph, tree);
  return indexed ? tree : await renderInto(dataDir, temp, graph);
}

function compare(store: ImageStore, id: string, right: string): string | undefined {
  using _lock = store.prepareLock();
  const path = treePath(store.dataDir, id);
  if (!exists(path)) return undefined;
  return exists(`${right}/rootfs`)
    ? treeDifference(`${path}/rootfs`, `${right}/rootfs`)
    : indexDifference(path, right);
}

function checkBlob(image: StoredImage): void {
  const { name } = image.manifest;
  const again = "`rkt image rm` it and fetch it again";
  const hash = createHash("sha512");
  try {
    using file = Deno.openSync(image.blobPath);
    const buffer = new Uint8Array(CHUNK_SIZE);
    for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) {
      hash.update(buffer.subarray(0, n));
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(
      `image "${name}" (${image.key}): its archive can't be read: ${why}; ${again}`,
    );
  }
  if (`sha512-${hash.digest("hex")}`.slice(0, STORE_KEY_LENGTH) === image.key) return;
  throw new Failure(
    `image "${name}" (${image.key}): its archive in the store is damaged; ${again}`,
  );
}

/** Hashes the layers of an OCI image. */
async function checkOciLayers(dataDir: string, { key }: StoredImage): Promise<void> {
  const { ociTree } = await import("./oci/oci_image.ts");
  await ociTree(dataDir, key);
}

/** Checks the documents of an OCI image against the digests that name them. */
async function checkOciDocuments(dataDir: string, { key }: StoredImage): Promise<void> {
  const { ociDocuments } = await import("./oci/oci_image.ts");
  const { digestOf } = await import("../oci/hash.ts");
  const { digestWithDash } = await import("../oci/digest.ts");
  const { manifestBytes, manifest, configBytes } = ociDocuments(dataDir, key);
  const again = "`rkt image rm` it and fetch it again";
  if (digestWithDash(digestOf(manifestBytes)) !== key) {
    throw new Failure(`image ${key}: its manifest in the store is damaged; ${again}`);
  }
  if (digestOf(configBytes, digestAlgorithm(manifest.config.digest)) !== manifest.config.digest) {
    throw new Failure(`image ${key}: its configuration in the store is damaged; ${again}`);
  }
}

/** Puts the right tree in place of a damaged one, in one step, so that there always is one. */
function replaceTree(
  store: ImageStore,
  image: StoredImage,
  id: string,
  right: string,
  difference: string,
  inUse: StoreUse,
): void {
  using _lock = store.collectLock();
  if (inUse.trees().has(id)) {
    throw new Failure(
      `image "${image.manifest.name}": its tree is damaged (${difference}) and pods use it; ` +
        "stop them (`rkt list`), then verify again",
    );
  }
  const path = treePath(store.dataDir, id);
  if (!exists(path)) return;
  if (exists(`${right}/rootfs`)) syncFileSystem(right);
  detachTrees(store.dataDir, (name) => name === id);
  const [a, b] = [cstring(right), cstring(path)];
  const result = trySyscall("renameat2", AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
  if (result < 0) throw new KernelError(-result, `replace ${path}`);
}
