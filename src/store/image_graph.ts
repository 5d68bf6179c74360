/** An image with all that it depends on, as it is in the store now. */
import type { ImageNode } from "../aci/render.ts";
import { fileSource } from "../aci/bytes/source.ts";
import type { Dependency } from "../appc/dependency.ts";
import { isOciImageId, type StoreKey } from "../appc/image_id.ts";
import { parseAcIdentifier } from "../appc/identifier.ts";
import { architectureLabel, labelValue } from "../appc/label.ts";
import { imageNameText } from "../appc/image_name.ts";
import { Failure } from "../failure.ts";
import type { ImageQuery, ImageStore, StoredImage } from "./stored_image.ts";

/** How many images may lie below one: a limit for hostile manifests. */
const MAX_IMAGES = 1000;

/** An image that another one depends on is not in the store: no damage, but nothing can be rendered. */
export class MissingDependency extends Failure {
  override readonly name: string = "MissingDependency";
}

/** An image and those below it. */
export interface ImageGraph {
  readonly node: ImageNode;
  /** The keys of all images, the uppermost first: what the tree's ID is made from. */
  readonly keys: readonly StoreKey[];
}

/**
 * Finds everything an image depends on.
 *
 * @throws {MissingDependency}
 * @throws {Failure} where an image depends on itself
 */
export async function imageGraph(store: ImageStore, image: StoredImage): Promise<ImageGraph> {
  const keys: StoreKey[] = [];
  const node = await visit(store, image, [], keys);
  return { node, keys };
}

async function visit(
  store: ImageStore,
  image: StoredImage,
  above: readonly StoredImage[],
  keys: StoreKey[],
): Promise<ImageNode> {
  const { name, dependencies, pathWhitelist } = image.manifest;
  if (above.some(({ key }) => key === image.key)) {
    throw new Failure(`image "${name}" (${image.key.slice(0, 19)}) depends on itself`);
  }
  keys.push(image.key);
  if (keys.length > MAX_IMAGES) {
    throw new Failure(`image "${above[0]?.manifest.name}" depends on over ${MAX_IMAGES} images`);
  }
  const nodes: ImageNode[] = [];
  // The last one listed is the uppermost.
  for (const dependency of dependencies.toReversed()) {
    const found = await find(store, image, dependency);
    nodes.unshift(await visit(store, found, [...above, image], keys));
  }
  const { key, blobPath } = image;
  if (isOciImageId(key)) {
    const { ociAci } = await import("./oci_aci.ts");
    return {
      id: key,
      open: () => ociAci(store.dataDir, image),
      converted: true,
      pathWhitelist,
      dependencies: [],
    };
  }
  return { id: key, open: () => fileSource(blobPath), pathWhitelist, dependencies: nodes };
}

async function find(
  store: ImageStore,
  image: StoredImage,
  wanted: Dependency,
): Promise<StoredImage> {
  const query = dependencyQuery(wanted);
  const found = await store.resolve(query);
  const what = "id" in query
    ? `${wanted.imageName} (${query.id.slice(0, 19)})`
    : imageNameText(query);
  if (found === undefined) {
    const { name } = image.manifest;
    throw new MissingDependency(
      `image "${name}" depends on "${what}", which is not in the store; fetch it`,
    );
  }
  if (found.manifest.name !== wanted.imageName) {
    const { name } = found.manifest;
    throw new Failure(`image "${image.manifest.name}" depends on "${what}", but that is "${name}"`);
  }
  return found;
}

/** What a dependency asks for. As in rkt, images without a word about it are for this machine. */
export function dependencyQuery({ imageName, imageID, labels }: Dependency): ImageQuery {
  if (imageID !== undefined) return { id: imageID };
  const machine: readonly (readonly [string, string])[] = [
    ["os", Deno.build.os],
    ["arch", architectureLabel(Deno.build.arch)],
  ];
  const missing = machine.filter(([name]) => labelValue(labels, name) === undefined)
    .map(([name, value]) => ({ name: parseAcIdentifier(name), value }));
  return { name: imageName, labels: [...labels, ...missing] };
}
