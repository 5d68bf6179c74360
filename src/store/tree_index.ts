/**
 * Trees as indexes: made from images' archives, kept in `cas/tree/ID` beside hard links to the archives, so that a tree is
 * whole as long as it is there, whatever becomes of the images.
 */
import { layersOf, mergeLayers } from "../aci/render.ts";
import { IndexTarget } from "../erofs/index_target.ts";
import type { IndexTree } from "../erofs/index_tree.ts";
import type { IndexFiles, MountMethod } from "../erofs/mount_index.ts";
import { workingMethod } from "../erofs/probe.ts";
import { detachMounts, shareMount } from "../erofs/shared_mounts.ts";
import { writeIndexFile } from "../erofs/write_index_file.ts";
import { Failure } from "../failure.ts";
import type { MergedNode } from "../layers/merged_tree.ts";
import { nodesOf } from "../layers/write_tree.ts";
import { type ByteString, shown } from "../linux/byte_string.ts";
import { KernelError } from "../linux/errno.ts";
import { isOciImageId } from "../appc/image_id.ts";
import type { OciTree } from "./oci_image.ts";
import { exists } from "../linux/exists.ts";
import { syncDirectory } from "../linux/sync.ts";
import type { ImageGraph } from "./image_graph.ts";
import { imagePath, treePath } from "./layout.ts";
import { TempDirectory } from "./temp_directory.ts";
import { indexPath, mountsDirectory, treeRoot } from "./tree_root.ts";

/** What says how trees are kept, by the root of the data directory; see {@linkcode indexMethod}. */
const METHOD_FILE = "cas/index-method";

/**
 * How indexes can be mounted over this store. Found out once a boot, and remembered in `cas/index-method`; where that says
 * `off`, as an administrator may have written, trees are extracted.
 *
 * @returns undefined where trees are to be extracted
 */
export function indexMethod(dataDir: string): MountMethod | undefined {
  if (Deno.uid() !== 0) return undefined;
  const path = `${dataDir}/${METHOD_FILE}`;
  const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  const [said, when] = exists(path) ? Deno.readTextFileSync(path).trim().split(" ") : [];
  if (said === "off") return undefined;
  if (when === boot) return said === "file" || said === "loop" ? said : undefined;
  using temp = TempDirectory.create(dataDir);
  const method = workingMethod(temp.path);
  Deno.writeTextFileSync(`${temp.path}/method`, `${method ?? "none"} ${boot}\n`);
  Deno.renameSync(`${temp.path}/method`, path);
  return method;
}

/**
 * Writes a tree that is an index to a new directory, and brings it to the disk.
 *
 * @param archive the path of a device's archive, by its ID; on the same file system
 * @returns whether that could be: there are trees that no index can say, and file systems without hard links
 */
export function writeTreeIndex(
  tree: IndexTree,
  directory: string,
  archive: (id: string) => string,
): boolean {
  if (tree.unsupported !== undefined) return false;
  Deno.mkdirSync(directory, { mode: 0o755 });
  try {
    tree.devices.forEach(({ id }, i) => Deno.linkSync(archive(id), `${directory}/${i + 1}`));
  } catch {
    Deno.removeSync(directory, { recursive: true });
    return false;
  }
  writeIndexFile(tree, `${directory}/index.erofs`, (id) => Deno.statSync(archive(id)).size);
  syncDirectory(directory);
  return true;
}

/** Makes the tree of a graph as an index in a new directory; says whether that could be. */
export async function renderIndex(
  dataDir: string,
  graph: ImageGraph,
  directory: string,
): Promise<boolean> {
  const [key] = graph.keys;
  if (key !== undefined && isOciImageId(key)) {
    const { ociTree } = await import("./oci_image.ts");
    return renderOciIndex(await ociTree(dataDir, key), directory);
  }
  const layers = layersOf(graph.node);
  // What is made of another format while it is read lies nowhere.
  if (layers.some(({ converted }) => converted === true)) return false;
  const target = new IndexTarget();
  await mergeLayers(layers, target, { rootfsOnly: true });
  return writeTreeIndex(target.tree, directory, (key) => imagePath(dataDir, "blob", key));
}

/**
 * Makes the tree of an OCI image as an index of its layers in a new directory; says whether that could be.
 *
 * @throws {Failure} that names the entry that no file system takes
 */
export function renderOciIndex({ root, layers }: OciTree, directory: string): boolean {
  const target = new IndexTarget();
  /** Of what may have several names: the first. */
  const names = new Map<MergedNode, ByteString>();
  for (const [path, node] of nodesOf(root)) {
    const first = names.get(node);
    try {
      target.archive(layers[node.layer] ?? "");
      if (first !== undefined) target.link(path, first);
      else target.create(path, node.entry);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      throw new Failure(`${shown(path)}: ${error.message}`, undefined, { cause: error });
    }
    names.set(node, first ?? path);
  }
  return writeTreeIndex(target.tree, directory, (path) => path);
}

/** The files of a tree that is an index. */
export function indexFiles(directory: string): IndexFiles {
  const devices: string[] = [];
  while (exists(`${directory}/${devices.length + 1}`)) {
    devices.push(`${directory}/${devices.length + 1}`);
  }
  return { index: `${directory}/index.erofs`, devices };
}

/**
 * The path of a tree's root, mounted where it has to be.
 *
 * @throws {Failure} where there is no such tree, or it can't be mounted here
 */
export function readyTree(dataDir: string, treeId: string): string {
  const root = treeRoot(dataDir, treeId);
  if (root === undefined) throw new Failure(`the tree ${treeId} is gone; fetch its image again`);
  if (!root.ready) mountTree(dataDir, treeId);
  return root.path;
}

function mountTree(dataDir: string, treeId: string): void {
  const method = indexMethod(dataDir);
  if (method === undefined) {
    throw new Failure(
      `the tree ${treeId} is an index of archives, which ${
        Deno.uid() === 0 ? "can't be mounted here" : "root alone can mount"
      }; see "Run as stored" in docs/use/images.md`,
    );
  }
  const absolute = dataDir.startsWith("/") ? dataDir : `${Deno.cwd()}/${dataDir}`;
  const mounts = { directory: mountsDirectory(dataDir), dataDirectory: absolute };
  shareMount(mounts, treeId, indexFiles(treePath(dataDir, treeId)), method);
}

/** Detaches the mounts of trees that nobody wants. The caller keeps new pods away. */
export function detachTrees(dataDir: string, unwanted: (treeId: string) => boolean): void {
  if (Deno.uid() === 0) detachMounts(mountsDirectory(dataDir), unwanted);
}

/** Whether a tree is kept as an index. */
export function isIndex(dataDir: string, treeId: string): boolean {
  return exists(indexPath(dataDir, treeId));
}
