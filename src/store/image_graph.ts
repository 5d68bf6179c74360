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

/** How many images may lie below one: a limit for hostile manifests, the same wherever dependencies are followed. */
const MAX_IMAGES = 1000;

/**
 * Refuses an image that depends on too many others.
 *
 * @param count the images so far, the uppermost among them
 */
export function checkImageCount({ manifest }: StoredImage, count: number): void {
  if (count <= MAX_IMAGES) return;
  throw new Failure(`image "${manifest.name}" depends on over ${MAX_IMAGES} images`);
}

/** What is said of an image that can be reached from itself. */
export function dependsOnItself({ key, manifest }: StoredImage): Failure {
  return new Failure(`image "${manifest.name}" (${key.slice(0, 19)}) depends on itself`);
}

/** An image that another one depends on is not in the store: no damage, but nothing can be rendered. */
export class MissingDependency extends Failure {
  override readonly name: string = "MissingDependency";
}

/** An image and those below it. */
export interface ImageGraph {
  /** Images that several others need are the same node. */
  readonly node: ImageNode;
  /**
   * What the tree's ID is made from: the keys of the images in the order of a walk from the uppermost down. One that several
   * others need is there each time, but what lies below it only the first time; so different graphs have different keys.
   */
  readonly keys: readonly StoreKey[];
}

/**
 * Finds everything an image depends on. Each image is visited once, however many others need it.
 *
 * @throws {MissingDependency}
 * @throws {Failure} where an image depends on itself, or on too many others
 */
export async function imageGraph(store: ImageStore, image: StoredImage): Promise<ImageGraph> {
  const walk = new Walk(store, image);
  const node = await walk.visit(image);
  return { node, keys: walk.keys };
}

class Walk {
  readonly keys: StoreKey[] = [];
  readonly #store: ImageStore;
  readonly #top: StoredImage;
  readonly #nodes = new Map<StoreKey, ImageNode>();
  readonly #above = new Set<StoreKey>();
  readonly #found = new Map<string, StoredImage>();

  constructor(store: ImageStore, top: StoredImage) {
    this.#store = store;
    this.#top = top;
  }

  async visit(image: StoredImage): Promise<ImageNode> {
    const { key } = image;
    if (this.#above.has(key)) throw dependsOnItself(image);
    this.keys.push(key);
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    this.#above.add(key);
    checkImageCount(this.#top, this.#nodes.size + this.#above.size);
    const { dependencies } = image.manifest;
    const below: ImageNode[] = [];
    // The last one listed is the uppermost.
    for (const dependency of dependencies.toReversed()) {
      below.unshift(await this.visit(await this.#find(image, dependency)));
    }
    this.#above.delete(key);
    const node = await this.#node(image, below);
    this.#nodes.set(key, node);
    return node;
  }

  async #node(image: StoredImage, dependencies: readonly ImageNode[]): Promise<ImageNode> {
    const { key, blobPath, manifest: { pathWhitelist } } = image;
    if (!isOciImageId(key)) {
      return { id: key, open: () => fileSource(blobPath), pathWhitelist, dependencies };
    }
    const { ociAci, ociEntries } = await import("./oci/oci_aci.ts");
    const { dataDir } = this.#store;
    return {
      id: key,
      open: () => ociAci(dataDir, image),
      converted: { entries: () => ociEntries(dataDir, image) },
      pathWhitelist,
      dependencies: [],
    };
  }

  async #find(image: StoredImage, wanted: Dependency): Promise<StoredImage> {
    const question = JSON.stringify(wanted);
    const known = this.#found.get(question) ?? await find(this.#store, image, wanted);
    this.#found.set(question, known);
    return known;
  }
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
