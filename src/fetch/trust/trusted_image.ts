/**
 * Whether an image of the store may be used: a signature of it was verified, by a key that is still trusted for its name.
 * On the way of `rkt run`: as long as the key's files are those that the signature was verified with, no OpenPGP is needed.
 *
 * That a key has expired since is no reason to refuse: the signature was verified while it had not.
 */
import { isOciImageId, shortImageId } from "../../appc/image_id.ts";
import { Failure } from "../../failure.ts";
import { readImageInfo } from "../../store/image_info.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { type AskFiles, copiesDigest, FILE_SYSTEM } from "../../trust/key_copies.ts";
import type { FetchSettings } from "../fetch_session.ts";
import { knownSigners } from "./known_signers.ts";

/** What the question depends on. */
export interface TrustOptions extends Pick<FetchSettings, "keystore" | "insecure"> {
  readonly store: { readonly dataDir: string };
  /** Who is asked for the files of keys; default: the file system. */
  readonly ask?: AskFiles;
}

/**
 * Insists that an image of the store is trusted.
 *
 * @throws {Failure} that says why it is not
 */
export async function requireTrusted(image: StoredImage, options: TrustOptions): Promise<void> {
  const why = await whyUntrusted(image, options);
  if (why === undefined) return;
  const { key, manifest: { name } } = image;
  throw new Failure(
    `image ${name} (${shortImageId(key)}) in the store is not trusted: ${why}; ` +
      "--insecure-options=image allows it",
  );
}

/** Why an image of the store must not be used; undefined where it may be. */
export async function whyUntrusted(
  image: StoredImage,
  options: TrustOptions,
): Promise<string | undefined> {
  const { keystore, insecure, ask = FILE_SYSTEM, store: { dataDir } } = options;
  if (insecure.has("image")) return undefined;
  const info = readImageInfo(dataDir, image.key);
  if (info.signers.length === 0) {
    return isOciImageId(image.key)
      ? "no signature of it was verified; name it by its digest, or fetch it again"
      : "no signature of it was verified; fetch it again";
  }
  const known = info.signers.flatMap((signer) => knownSigners(image, signer, keystore, ask));
  const [first] = info.signers;
  if (known.length === 0) return `its key ${first?.fingerprint} is not trusted for this name`;
  for (const { signer, copies, kind } of known) {
    // Nothing can be said of a key in PEM but that it is trusted.
    if (kind === "pem" || signer.keyDigest === await copiesDigest(copies)) return undefined;
  }
  // A key was renewed or revoked, or the image is from the time before digests were kept.
  const { verifyAgain } = await import("./verify_again.ts");
  return await verifyAgain(image, info, known, { dataDir, allowDsa: insecure.has("dsa") });
}
