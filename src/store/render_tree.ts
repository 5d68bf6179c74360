/** Rendering an image and what it depends on into one tree, once. */
import type { MapId } from "../aci/tree_entries.ts";
import { ownership as ownOwnership } from "./ownership.ts";
import { renderImage } from "../aci/render.ts";
import type { Ownership } from "../aci/write_options.ts";
import { isOciImageId, type StoreKey } from "../appc/image_id.ts";
import { quietly } from "../linux/clean_up.ts";
import { exists } from "../linux/exists.ts";
import { closeDescriptor, lockExclusive, openToLock } from "../linux/lock.ts";
import { syncDirectory, syncFileSystem } from "../linux/sync.ts";
import { fullDisk } from "./full_disk.ts";
import { type ImageGraph, imageGraph } from "./image_graph.ts";
import { imagePath, SIZE_FILE, treePath } from "./layout.ts";
import { fillSkeleton } from "./skeleton.ts";
import type { ImageStore, RenderedTree, StoredImage } from "./stored_image.ts";
import { TempDirectory } from "./temp_directory.ts";
import { treeSize } from "./tree_comparison.ts";
import { treeIdOf } from "./tree_id.ts";
import { indexMethod, readyTree } from "./tree/mount_tree.ts";
import { renderIndex } from "./tree/tree_index.ts";
import { isIndex, treeRoot } from "./tree/tree_root.ts";

/** What this process renders: waiting for its own lock would never end. */
const rendering = new Map<string, Promise<void>>();

/** See {@linkcode Store.tree}. */
export async function renderTree(store: ImageStore, image: StoredImage): Promise<RenderedTree> {
  const graph = await imageGraph(store, image);
  const id = await treeIdOf(graph.keys);
  const path = treePath(store.dataDir, id);
  if (!await isUsable(store.dataDir, id)) {
    const under = rendering.get(path) ?? renderLocked(store, image, graph, id);
    rendering.set(path, under);
    await under.finally(() => rendering.delete(path));
  }
  if (graph.keys.length === 1) linkTree(store.dataDir, image.key, id);
  const rootfs = await readyTree(store.dataDir, id);
  return { id, kind: isIndex(store.dataDir, id) ? "erofs" : "directory", rootfs, ready: true };
}

/** Whether a tree is there, of a kind that can be used here: the kernel may be another one by now. */
async function isUsable(dataDir: string, id: string): Promise<boolean> {
  const root = treeRoot(dataDir, id);
  return root !== undefined && (root.ready || await indexMethod(dataDir) !== undefined);
}

/** One process renders, others wait for it: the image's manifest is the lock. */
async function renderLocked(
  store: ImageStore,
  image: StoredImage,
  graph: ImageGraph,
  id: string,
): Promise<void> {
  const lock = imagePath(store.dataDir, "imageManifest", image.key);
  const fd = openToLock(lock);
  try {
    lockExclusive(fd, lock);
    if (await isUsable(store.dataDir, id)) return;
    using temp = TempDirectory.create(store.dataDir);
    const tree = `${temp.path}/tree`;
    const indexed = await indexMethod(store.dataDir) !== undefined &&
      await renderIndex(store.dataDir, graph, tree);
    if (!indexed) await renderInto(store.dataDir, temp.path, graph);
    // One that can't be used here goes away; what of it is in use stays.
    temp.take(treePath(store.dataDir, id));
    publishTree(store.dataDir, id, tree);
  } catch (error) {
    throw fullDisk(error, `image "${image.manifest.name}"`, store.dataDir);
  } finally {
    closeDescriptor(fd);
  }
}

/** Renders into a new directory `tree` of a temporary one. Returns its path. */
export async function renderInto(
  dataDir: string,
  temp: string,
  graph: ImageGraph,
  ownership: Ownership = {},
): Promise<string> {
  const tree = `${temp}/tree`;
  Deno.mkdirSync(tree, { mode: 0o755 });
  const options = { ...ownOwnership(), ...ownership };
  const [key] = graph.keys;
  if (key === undefined || !isOciImageId(key)) await renderImage(graph.node, tree, options);
  else {
    const { ociTree } = await import("./oci/oci_image.ts");
    const { writeOciTree } = await import("./oci/write_oci_tree.ts");
    Deno.mkdirSync(`${tree}/rootfs`, { mode: 0o755 });
    writeOciTree(await ociTree(dataDir, key), `${tree}/rootfs`, options);
  }
  return tree;
}

const asItIs = (id: number): number => id;

/**
 * Renders an image once more, for a pod alone: its root file system becomes `path`, which does not exist yet.
 *
 * @param users maps owners to those of the pod's user namespace
 * @throws {Failure} where a dependency is missing, or the disk is full
 */
export async function renderCopy(
  store: ImageStore,
  image: StoredImage,
  path: string,
  users: MapId = asItIs,
): Promise<void> {
  const { mapUid = asItIs, mapGid = asItIs } = ownOwnership();
  const directory = path.slice(0, path.lastIndexOf("/"));
  Deno.mkdirSync(directory, { recursive: true, mode: 0o755 });
  try {
    const tree = await renderInto(store.dataDir, directory, await imageGraph(store, image), {
      mapUid: (id) => mapUid(users(id, "uid")),
      mapGid: (id) => mapGid(users(id, "gid")),
    });
    Deno.renameSync(`${tree}/rootfs`, path);
    fillSkeleton(path, users(0, "uid"));
  } catch (error) {
    throw fullDisk(error, `image "${image.manifest.name}"`, store.dataDir);
  }
}

/**
 * Moves a rendered tree to its place. It is used without another look for as long as it is there, so
 * all of it has to be on the disk before it has its name: one syncfs(2), which for thousands of
 * files is much faster than an fsync(2) of each. An index was brought there by who wrote it.
 */
export function publishTree(dataDir: string, id: string, tree: string): void {
  const path = treePath(dataDir, id);
  if (exists(path)) return;
  if (exists(`${tree}/rootfs`)) {
    // For those who list images: they write nothing, and to count takes long.
    quietly(() => Deno.writeTextFileSync(`${tree}/${SIZE_FILE}`, `${treeSize(`${tree}/rootfs`)}`));
    syncFileSystem(tree);
  }
  try {
    Deno.renameSync(tree, path);
  } catch (error) {
    // Another import of the same image was faster.
    if (!exists(path)) throw error;
  }
  syncDirectory(`${dataDir}/cas/tree`);
}

/** Notes which tree is that of an image without dependencies, for `Store.renderedTree`. */
export function linkTree(dataDir: string, key: StoreKey, id: string): void {
  try {
    Deno.symlinkSync(`../tree/${id}`, `${dataDir}/cas/treeid/${key}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}
