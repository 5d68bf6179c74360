import type { StoreKey } from "../appc/image_id.ts";
import { type ImageManifest, parseImageManifest } from "../appc/image_manifest.ts";
import { usedPath } from "./layout.ts";
import type { StoredImage } from "./stored_image.ts";

/** An image of the store with a manifest, which is parsed when it is asked for. */
export function imageValue(dataDir: string, key: StoreKey, manifestText: string): StoredImage {
  let manifest: ImageManifest | undefined;
  return {
    key,
    manifestText,
    get manifest() {
      return manifest ??= parseImageManifest(manifestText);
    },
    blobPath: usedPath(dataDir, key),
  };
}
