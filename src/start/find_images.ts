/** An image of a `rkt run`: from the store where it is in it, fetched where it is not. */
import { findImage as find } from "../fetch/find_image.ts";
import type { PullPolicy } from "../fetch/pull_policy.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import type { HostOptions } from "./host_options.ts";

/** How an image is found. */
export interface FindOptions {
  /** Default: `new`. */
  readonly pullPolicy?: PullPolicy | undefined;
  /** A file that holds the image's signature. */
  readonly signature?: string | undefined;
}

/**
 * Finds an image as it was named on the command line.
 *
 * @throws {Failure} where there is none, or it may not be used
 */
export async function findImage(
  store: Store,
  text: string,
  { fetchSettings }: Pick<HostOptions, "fetchSettings">,
  { pullPolicy = "new", signature }: FindOptions = {},
): Promise<StoredImage> {
  return await find(text, {
    ...fetchSettings(store),
    pullPolicy,
    ...signature !== undefined && { signature },
  });
}
