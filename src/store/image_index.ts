import type { StoreKey } from "../appc/image_id.ts";

/** The index of the store. */
export interface ImageIndex extends Disposable {
  keysOfName(name: string, preferLatest: boolean): StoreKey[];
}

/** Opens the index. */
export function openIndex(_dataDir: string): ImageIndex {
  throw new Error("not yet");
}
