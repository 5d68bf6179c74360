/**
 * Signatures of images that are in the store. The archive as it was distributed is gone (the store
 * keeps it uncompressed), but what the signature is over stays known: its digest, written down when
 * the image was imported. So the whole signature can be checked again, against today's keys.
 */
import { Failure } from "../../failure.ts";
import type { ImageInfo, Signer as StoredSigner } from "../../store/image_info.ts";
import type { PublicKey } from "../../trust/public_key.ts";
import {
  acceptableSigners,
  type DetachedSignature,
  readSignatures,
  type SignedDigests,
  type Signer,
  type TrustPolicy,
  verifySigned,
} from "../../trust/signature.ts";

/**
 * Verifies the signature of a stored image once more.
 *
 * @param what the image, for the error
 * @param info what the store knows of it
 * @param keys the keys that are trusted for its name now
 * @returns who signed; empty for an image that was imported without a signature
 * @throws {Failure} with the reason when no signature is good, or none is by a key that is still trusted
 */
export async function verifyStoredSignature(
  what: string,
  info: Pick<ImageInfo, "signature" | "signers">,
  keys: readonly PublicKey[],
  policy: TrustPolicy = {},
): Promise<Signer[]> {
  if (info.signature === undefined) return [];
  const asc = new TextEncoder().encode(info.signature);
  const signatures = await readSignatures(asc, `of ${what} in the store`);
  const candidates = await acceptableSigners(what, signatures, keys, policy);
  const known = candidates.filter(({ signature, key }) =>
    recorded(info.signers, signature, key) !== undefined
  );
  if (known.length === 0) {
    throw new Failure(`${what}: its signature in the store is not the one that was verified`);
  }
  const signers: Signer[] = [];
  for (const candidate of known) {
    const digest = recorded(info.signers, candidate.signature, candidate.key);
    const digests: SignedDigests = {
      update() {},
      digestFor: () => Uint8Array.fromHex(digest ?? ""),
    };
    signers.push(...await verifySigned(what, [candidate], digests, policy));
  }
  return signers;
}

/** The digest that was written down for a signature. */
function recorded(
  signers: readonly StoredSigner[],
  signature: DetachedSignature,
  key: PublicKey,
): string | undefined {
  return signers.find(({ fingerprint, signedAt, digest }) =>
    fingerprint === key.fingerprint && signedAt === signature.created.getTime() &&
    digest !== undefined && /^([0-9a-f]{2})+$/.test(digest)
  )?.digest;
}
