import type { StoreKey } from "../../appc/image_id.ts";
import { replaceFile } from "../../linux/atomic_file.ts";
import { type ImageInfo, readImageInfo, type Signer } from "../../store/image_info.ts";
import { imagePath } from "../../store/layout.ts";

/**
 * Writes down who signed an image, where that was verified once more. It is only a note, for the next time to be quicker:
 * where the store can't be written, there is none.
 */
export function writeSigners(dataDir: string, key: StoreKey, signers: readonly Signer[]): void {
  try {
    const info: ImageInfo = { ...readImageInfo(dataDir, key), signers };
    replaceFile(imagePath(dataDir, "imageInfo", key), JSON.stringify(info));
  } catch {
    // See above.
  }
}
