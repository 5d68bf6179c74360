/**
 * Trees as indexes: made from images' archives, kept in `cas/tree/ID` beside hard links to the archives, so that a tree is
 * whole as long as it is there, whatever becomes of the images.
 */
import { layersOf, mergeLayers } from "../../aci/render.ts";
import { IndexTarget } from "../../erofs/index_target.ts";
import type { IndexTree } from "../../erofs/index_tree.ts";
import { writeIndexFile } from "../../erofs/write_index_file.ts";
import { Failure } from "../../failure.ts";
import type { MergedNode } from "../../layers/merged_tree.ts";
import { nodesOf } from "../../layers/write_tree.ts";
import type { LayerMap } from "../../layers/compressed/layer_map.ts";
import { type LayerFile, StoredLayer } from "../../layers/stored_layer.ts";
import { type ByteString, shown } from "../../linux/byte_string.ts";
import { KernelError } from "../../linux/errno.ts";
import { isOciImageId } from "../../appc/image_id.ts";
import type { OciTree } from "../oci/oci_image.ts";
import { syncDirectory } from "../../linux/sync.ts";
import type { ImageGraph } from "../image_graph.ts";
import { sealTree } from "./seal_tree.ts";
import { imagePath } from "../layout.ts";

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
  writeIndexFile(tree, `${directory}/index.erofs`, archive);
  sealTree(directory);
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
    const { ociTree } = await import("../oci/oci_image.ts");
    return renderOciIndex(await ociTree(dataDir, key), directory);
  }
  const { layerOfKey } = await import("../oci/oci_image.ts");
  const archive = (key: string): LayerFile =>
    isOciImageId(key)
      ? layerOfKey(dataDir, key)
      : { path: imagePath(dataDir, "blob", key), isCompressed: false };
  const target = new IndexTarget((key) => mapOf(archive(key)));
  await mergeLayers(layersOf(graph.node), target, { rootfsOnly: true });
  return writeTreeIndex(target.tree, directory, (key) => archive(key).path);
}

/** Where what lies in an archive that is kept compressed. */
function mapOf(archive: LayerFile): LayerMap | undefined {
  if (!archive.isCompressed) return undefined;
  using layer = new StoredLayer(archive);
  return layer.map;
}

/**
 * Makes the tree of an OCI image as an index of its layers in a new directory; says whether that could be.
 *
 * @throws {Failure} that names the entry that no file system takes
 */
export function renderOciIndex({ root, layers }: OciTree, directory: string): boolean {
  const target = new IndexTarget((path) => {
    const layer = layers.find((each) => each.path === path);
    return layer && mapOf(layer);
  });
  /** Of what may have several names: the first. */
  const names = new Map<MergedNode, ByteString>();
  for (const [path, node] of nodesOf(root)) {
    const first = names.get(node);
    try {
      const layer = layers[node.layer];
      // An image without layers has its root.
      if (layer !== undefined) target.archive(layer.path);
      if (first !== undefined) target.link(path, first);
      else target.create(path, node.entry);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      throw new Failure(`${shown(path)}: ${error.message}`, undefined, { cause: error });
    }
    if (node.isLinked === true) names.set(node, first ?? path);
  }
  return writeTreeIndex(target.tree, directory, (path) => path);
}
