import { createHash } from "node:crypto";
import type { StoreKey } from "../appc/image_id.ts";

/**
 * The ID of a rendered tree: `deps-sha512-` and the first 64 digits of the SHA-512 of the keys of
 * the images in it, the uppermost first, with commas between.
 */
export function treeIdOf(keys: readonly StoreKey[]): string {
  const digest = createHash("sha512").update(keys.join(",")).digest("hex");
  return `deps-sha512-${digest.slice(0, 64)}`;
}
