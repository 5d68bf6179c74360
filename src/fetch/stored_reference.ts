/** OCI images that are in the store, by the names that they have in registries. */
import { Failure } from "../failure.ts";
import { digestWithDash } from "../oci/digest.ts";
import { parseOciLocation } from "../oci/location.ts";
import { referenceText, type RegistryReference } from "../oci/reference.ts";
import type { StoreKey } from "../appc/image_id.ts";
import { readReference } from "../store/oci/references.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import type { PullPolicy } from "./pull_policy.ts";

/**
 * Reads `docker://NAME` or `oci://NAME`.
 *
 * @throws {Failure} that says what is wrong with it
 */
export function registryReference(text: string): RegistryReference {
  const location = parseOciLocation(text);
  if (location?.kind !== "registry") throw new Failure(`image ${text}: no name of a registry`);
  return location.reference;
}

/**
 * The image that a name stands for since it was last fetched. A digest names the same image for ever, whatever was asked for
 * before; and whoever gives it has said which image is trusted.
 *
 * @returns undefined where the store has none, or the registry is to be asked
 * @throws {Failure} where the store has none and nothing may be fetched
 */
export function storedReference(
  store: Store,
  text: string,
  pullPolicy: PullPolicy,
): StoredImage | undefined {
  const reference = registryReference(text);
  const { digest } = reference;
  if (digest === undefined && pullPolicy === "update") return undefined;
  const byDigest = digest?.startsWith("sha256:")
    ? store.read(digestWithDash(digest) as unknown as StoreKey)
    : undefined;
  const stored = readReference(store, referenceText(reference)) ?? byDigest;
  if (stored === undefined && pullPolicy === "never") {
    throw new Failure(
      `image ${text} is not in the store, and --pull-policy=never keeps it from being fetched`,
    );
  }
  return stored;
}
