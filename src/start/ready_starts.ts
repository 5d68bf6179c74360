/** What the first start of an image would have to find out, found out by who has fetched it. */
import { isOciImageId } from "../appc/image_id.ts";
import { forThisHost } from "../fetch/host_labels.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { rootKind } from "./root_kind.ts";
import { World } from "./world.ts";

/**
 * Finds out how trees become the roots of apps here, and which images stand for the names of some, and writes that down. That
 * it can't be found out is no failure of a fetch: the start that needs to know says why.
 */
export async function readyStarts(store: Store, images: readonly StoredImage[]): Promise<void> {
  try {
    await rootKind(store.dataDir, true, new World());
    for (const { key, manifest: { name, labels } } of images) {
      if (isOciImageId(key)) continue; // found by its reference, which is a file
      await store.resolve(forThisHost({ name, labels: [] }), true);
      const versions = labels.filter((label) => label.name === "version");
      if (versions.length > 0) await store.resolve(forThisHost({ name, labels: versions }), true);
    }
  } catch {
    // Only a cache.
  }
}
