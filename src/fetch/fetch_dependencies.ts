/** What images depend on: fetched where the store lacks it, each image once, however many others need it. */
import type { Dependency } from "../appc/dependency.ts";
import type { StoreKey } from "../appc/image_id.ts";
import { imageNameText } from "../appc/image_name.ts";
import { hasLabels } from "../appc/label.ts";
import { Failure } from "../failure.ts";
import { checkImageCount, dependsOnItself } from "../store/image_graph.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { fetchByName } from "./fetch_image.ts";
import { checkIdentity, type Expected } from "./import_image.ts";
import type { FetchSession } from "./fetch_session.ts";
import { forThisHost } from "./host_labels.ts";
import type { PullPolicy } from "./pull_policy.ts";
import { requireTrusted, type TrustOptions, whyUntrusted } from "./trust/trusted_image.ts";

/** How dependencies are found. */
export interface DependencyOptions {
  readonly pullPolicy: PullPolicy;
  /** Asked about images of the store; default: the session's settings. */
  readonly trust?: TrustOptions;
  /** What is done where one in the store is not trusted: a run refuses, a fetch gets it anew. */
  readonly untrusted: "refuse" | "fetch";
}

/** Finds what the images of one command depend on. */
export class Dependencies {
  readonly #session: FetchSession;
  readonly #options: DependencyOptions;
  readonly #named: readonly StoredImage[];
  /** The images right below each image that was looked at, or on the way to that. */
  readonly #below = new Map<StoreKey, Promise<readonly StoredImage[]>>();
  /** What is looked for now, by what is asked: several images ask for the same one. */
  readonly #asked = new Map<string, Promise<StoredImage>>();

  /** @param named the images that the command names: one of them is what another depends on, whatever else there is */
  constructor(session: FetchSession, options: DependencyOptions, named: readonly StoredImage[]) {
    this.#session = session;
    this.#options = options;
    this.#named = named;
  }

  /**
   * Brings into the store all that an image depends on.
   *
   * @throws {Failure} where something can't be had, there is too much of it, or the image depends on itself
   */
  async fetch(image: StoredImage): Promise<void> {
    const below = new Map<StoreKey, readonly StoredImage[]>();
    let next: readonly StoredImage[] = [image];
    while (next.length > 0) {
      const level = next;
      const found = await Promise.all(level.map((each) => this.#belowOf(each)));
      level.forEach(({ key }, i) => below.set(key, found[i] ?? []));
      const images = new Map(found.flat().map((each) => [each.key, each]));
      next = [...images.values()].filter(({ key }) => !below.has(key));
      checkImageCount(image, below.size + next.length);
    }
    checkCircles(image, below);
  }

  #belowOf(image: StoredImage): Promise<readonly StoredImage[]> {
    const known = this.#below.get(image.key);
    if (known !== undefined) return known;
    const found = Promise.all(image.manifest.dependencies.map((each) => this.#find(each)));
    this.#below.set(image.key, found);
    return found;
  }

  #find(dependency: Dependency): Promise<StoredImage> {
    const question = JSON.stringify(dependency);
    const asked = this.#asked.get(question);
    if (asked !== undefined) return asked;
    const found = this.#session.work.run(() => this.#fetch(dependency));
    this.#asked.set(question, found);
    return found;
  }

  async #fetch({ imageName, imageID, labels, size }: Dependency): Promise<StoredImage> {
    const { store } = this.#session.settings;
    const { pullPolicy } = this.#options;
    const image = forThisHost({ name: imageName, labels });
    const expected: Expected = {
      ...imageID !== undefined && { id: imageID },
      ...size !== undefined && { size },
    };
    if (imageID !== undefined) {
      const stored = await this.#trusted(await store.resolve({ id: imageID }));
      if (stored !== undefined) {
        checkIdentity(`dependency ${imageID}`, stored.manifest, { image });
        return stored;
      }
    } else {
      const named = this.#named.findLast(({ manifest }) =>
        manifest.name === image.name && hasLabels(manifest.labels, image.labels)
      );
      if (named !== undefined) return named;
      const stored = pullPolicy === "update"
        ? undefined
        : await this.#trusted(await store.resolve(image));
      if (stored !== undefined) return stored;
    }
    if (pullPolicy === "never") {
      throw new Failure(
        `dependency ${imageNameText(image)} is not in the store, ` +
          "and --pull-policy=never keeps it from being fetched",
      );
    }
    return await fetchByName(this.#session, image, expected, pullPolicy, undefined);
  }

  /** An image of the store, if it may be used. */
  async #trusted(image: StoredImage | undefined): Promise<StoredImage | undefined> {
    if (image === undefined) return undefined;
    const { pullPolicy, untrusted, trust = this.#session.settings } = this.#options;
    if (untrusted === "fetch" && pullPolicy !== "never") {
      return await whyUntrusted(image, trust) === undefined ? image : undefined;
    }
    await requireTrusted(image, trust);
    return image;
  }
}

/**
 * Refuses an image that can be reached from itself.
 *
 * @param below the images right below each one
 */
function checkCircles(
  top: StoredImage,
  below: ReadonlyMap<StoreKey, readonly StoredImage[]>,
): void {
  const above = new Set<StoreKey>();
  const done = new Set<StoreKey>();
  const visit = (image: StoredImage): void => {
    if (done.has(image.key)) return;
    if (above.has(image.key)) throw dependsOnItself(image);
    above.add(image.key);
    below.get(image.key)?.forEach(visit);
    above.delete(image.key);
    done.add(image.key);
  };
  visit(top);
}
