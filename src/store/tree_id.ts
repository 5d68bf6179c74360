import type { StoreKey } from "../appc/image_id.ts";

/**
 * The ID of a rendered tree: `deps-sha512-` and the first 64 digits of the SHA-512 of the keys of
 * the images in it, the uppermost first, with commas between.
 *
 * By the Web Cryptography API: loading node:crypto takes 25 ms, which commands that only look or remove would feel.
 */
export async function treeIdOf(keys: readonly StoreKey[]): Promise<string> {
  const text = new TextEncoder().encode(keys.join(","));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", text));
  return `deps-sha512-${digest.toHex().slice(0, 64)}`;
}
