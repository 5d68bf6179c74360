import type { Branded } from "./brand.ts";
import { AppcError, shown } from "./error.ts";

/**
 * An image ID: `sha512-` and 128 hexadecimal digits, the SHA-512 of the uncompressed archive
 * (appc specification, "Image ID").
 */
export type ImageId = Branded<"ImageId">;

/** The first half of an image ID, under which rkt's store keeps the image: `sha512-` and 64 digits. */
export type StoreKey = Branded<"StoreKey">;

/** An image ID or its beginning: `sha512-` and 2 to 128 digits. */
export type ImageIdPrefix = Branded<"ImageIdPrefix"> | ImageId | StoreKey;

/** `sha512-` in front of every image ID: the only algorithm that is allowed. */
export const IMAGE_ID_ALGORITHM = "sha512-";

/** Characters of a {@linkcode StoreKey}. */
export const STORE_KEY_LENGTH = IMAGE_ID_ALGORITHM.length + 64;

/** Characters of an image ID in short output, like that of `rkt fetch`. */
export const SHORT_ID_LENGTH = 39;

const FULL = /^sha512-[0-9a-f]{128}$/;
const PREFIX = /^sha512-[0-9a-f]{2,128}$/;

/**
 * Checks a whole image ID.
 *
 * @throws {AppcError}
 */
export function parseImageId(value: unknown, at = ""): ImageId {
  if (typeof value !== "string" || !FULL.test(value)) {
    throw new AppcError(
      at,
      `${shown(value)} is not an image ID: sha512- and 128 hexadecimal digits`,
    );
  }
  return value as ImageId;
}

/**
 * Checks an image ID that may be cut: in pod manifests rkt writes store keys, and people type even
 * less.
 *
 * @throws {AppcError}
 */
export function parseImageIdPrefix(value: unknown, at = ""): ImageIdPrefix {
  if (typeof value !== "string" || !PREFIX.test(value)) {
    throw new AppcError(
      at,
      `${shown(value)} is not an image ID: sha512- and 2 to 128 hexadecimal digits`,
    );
  }
  return value as ImageIdPrefix;
}

/** The key of an image in the store. */
export function storeKey(id: ImageId): StoreKey {
  return id.slice(0, STORE_KEY_LENGTH) as unknown as StoreKey;
}

/** The image ID as `rkt fetch` prints it: its first 39 characters. */
export function shortImageId(id: ImageIdPrefix): string {
  return id.slice(0, SHORT_ID_LENGTH);
}
