/** Verifying the signature of an image in the store once more, because its key is not what it was. */
import { isOciImageId } from "../../appc/image_id.ts";
import { Failure } from "../../failure.ts";
import type { ImageInfo } from "../../store/image_info.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { writeSigners } from "./write_signers.ts";
import { copiesDigest } from "../../trust/key_copies.ts";
import { loadKeyCopies, type PublicKey } from "../../trust/public_key.ts";
import { verifyStoredSignature } from "./stored_signature.ts";
import type { KnownSigner } from "./known_signers.ts";

/**
 * Verifies the signature of an image in the store, by those of its signers whose keys are trusted.
 *
 * @returns why none of them counts; undefined where one does, which is noted for the next time
 */
export async function verifyAgain(
  { key, manifest }: StoredImage,
  info: ImageInfo,
  known: readonly KnownSigner[],
  { dataDir, allowDsa }: { readonly dataDir: string; readonly allowDsa: boolean },
): Promise<string | undefined> {
  const reasons: string[] = [];
  const digests = new Map<string, string>();
  for (const { signer, copies } of known) {
    try {
      const owner = await loadKeyCopies(copies);
      const why = isOciImageId(key)
        ? whyRevoked(owner)
        : await whyRefused(`image ${manifest.name}`, info, owner, allowDsa);
      if (why === undefined) digests.set(signer.fingerprint, await copiesDigest(copies));
      else reasons.push(why);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      reasons.push(error.message);
    }
  }
  if (digests.size === 0) return reasons.join("; ");
  writeSigners(
    dataDir,
    key,
    info.signers.map((signer) => {
      const keyDigest = digests.get(signer.fingerprint);
      return keyDigest === undefined ? signer : { ...signer, keyDigest };
    }),
  );
  return undefined;
}

async function whyRefused(
  what: string,
  info: ImageInfo,
  key: PublicKey,
  allowDsa: boolean,
): Promise<string | undefined> {
  const signers = await verifyStoredSignature(what, info, [key], { allowDsa });
  return signers.length > 0 ? undefined : "its signature is not in the store; fetch it again";
}

/** Signatures of OCI images stay in their registries, so only the key is looked at. */
function whyRevoked({ revoked, fingerprint }: PublicKey): string | undefined {
  return revoked ? `key ${fingerprint} has been revoked by its owner` : undefined;
}
