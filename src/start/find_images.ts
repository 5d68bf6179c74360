/** The images of a start: from the store where they are in it, fetched where they are not, and trusted. */
import { isOciImageId } from "../appc/image_id.ts";
import { findImages as find, type ImageRequest } from "../fetch/find_image.ts";
import type { PullPolicy } from "../fetch/pull_policy.ts";
import { requireTrusted } from "../fetch/trust/trusted_image.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import type { HostOptions } from "./host_options.ts";
import type { World } from "./world.ts";

/** How images are found. */
export interface FindOptions {
  /** Default: `new`. */
  readonly pullPolicy?: PullPolicy | undefined;
  /** Notes what the answer depends on. */
  readonly world?: World;
}

/**
 * Finds images as they were named on the command line.
 *
 * @throws {Failure} where there is none, or it may not be used
 */
export async function findImages(
  store: Store,
  requests: readonly ImageRequest[],
  { fetchSettings }: Pick<HostOptions, "fetchSettings">,
  { pullPolicy = "new", world }: FindOptions = {},
): Promise<StoredImage[]> {
  const outcomes = await find(requests, {
    ...fetchSettings(store),
    pullPolicy,
    untrusted: "refuse",
    ...world !== undefined && { ask: world, remember: true },
  });
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

/**
 * Insists that an image which was found in the store by its ID, and what it depends on, is trusted.
 *
 * @param id as it was given: the whole ID of an OCI image is the digest of its manifest, which says what is trusted
 * @throws {Failure}
 */
export async function checkTrusted(
  store: Store,
  image: StoredImage,
  id: string,
  { fetchSettings }: Pick<HostOptions, "fetchSettings">,
): Promise<void> {
  if (isOciImageId(id) && id === image.key) return;
  const settings = fetchSettings(store);
  await requireTrusted(image, settings);
  if (image.manifest.dependencies.length === 0 || settings.insecure.has("image")) return;
  const { imageGraph } = await import("../store/image_graph.ts");
  for (const key of new Set((await imageGraph(store, image)).keys)) {
    const each = store.read(key);
    if (each !== undefined) await requireTrusted(each, settings);
  }
}
