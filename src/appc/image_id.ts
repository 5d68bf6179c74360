import type { Branded } from "./brand.ts";
import { AppcError, shown } from "./error.ts";

/**
 * An image ID. `sha512-` and 128 hexadecimal digits, the SHA-512 of the uncompressed archive (appc
 * specification, "Image ID"); of an OCI image `sha256-` and 64 digits, the SHA-256 of its manifest.
 */
export type ImageId = Branded<"ImageId">;

/**
 * What rkt's store keeps an image under: the first half of an image ID, `sha512-` and 64 digits; of an
 * OCI image all of it, `sha256-` and 64 digits.
 */
export type StoreKey = Branded<"StoreKey">;

/** An image ID or its beginning: `sha512-` and 2 to 128 digits, or `sha256-` and 2 to 64. */
export type ImageIdPrefix = Branded<"ImageIdPrefix"> | ImageId | StoreKey;

/** Characters of a {@linkcode StoreKey}: `sha512-` or `sha256-`, and 64 digits. */
export const STORE_KEY_LENGTH = 7 + 64;

/** Characters of an image ID in short output, like that of `rkt fetch`. */
export const SHORT_ID_LENGTH = 39;

const FULL = /^(sha512-[0-9a-f]{128}|sha256-[0-9a-f]{64})$/;
const PREFIX = /^(sha512-[0-9a-f]{2,128}|sha256-[0-9a-f]{2,64})$/;

/** Whether an ID, maybe cut, is that of an OCI image: the digest of its manifest. */
export function isOciImageId(id: string): boolean {
  return id.startsWith("sha256-");
}

/**
 * Checks a whole image ID.
 *
 * @throws {AppcError}
 */
export function parseImageId(value: unknown, at = ""): ImageId {
  if (typeof value !== "string" || !FULL.test(value)) {
    throw new AppcError(
      at,
      `${shown(value)} is not an image ID: sha512- and 128 hexadecimal digits, or sha256- and 64`,
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
      `${
        shown(value)
      } is not an image ID: sha512- and 2 to 128 hexadecimal digits, or sha256- and 2 to 64`,
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
