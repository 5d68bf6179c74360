/** What a signature says of an image, and whether that is the image that was asked for. */
import {
  type JsonObject,
  object,
  optional,
  parseJsonObject,
  string,
} from "../../appc/json_value.ts";
import { quoted } from "../../oci/quoted.ts";
import { Failure } from "../../failure.ts";
import { readDigest } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { parseReference, type RegistryReference } from "../../oci/reference.ts";

/** A signer of an image. */
export interface ImageSigner {
  /** Of the key, in hex. */
  readonly fingerprint: string;
  /** Who the key says that it belongs to; the algorithm of a key that does not say it. */
  readonly identity: string;
  /** When it was signed, as the signature says: milliseconds since 1970; `undefined` where it does not. */
  readonly signedAt: number | undefined;
}

/** The image that was asked for. */
export interface WantedImage {
  readonly reference: RegistryReference;
  /** The digest of the manifest, and of the indexes through which it was reached. */
  readonly digests: readonly Digest[];
}

/** Whether a signature makes an image trusted. */
export type Verdict =
  | { readonly signer: ImageSigner }
  /**
   * Why it does not, in words that go behind "signature refused:"; and whether no key could: it was made by a certificate
   * (cosign's "keyless").
   */
  | { readonly refusal: string; readonly keyless?: boolean };

/** What a payload of simple signing says (containers/image, docs/containers-signature.5.md). */
export interface SignedClaim {
  readonly digest: Digest;
  /** The image's name as the signer knows it. */
  readonly reference: string;
  readonly signedAt: number | undefined;
}

/** The types of payloads. */
export const COSIGN_CLAIM = "cosign container image signature";
export const GPG_CLAIM = "atomic container signature";

/**
 * Reads a payload.
 *
 * @throws {AppcError} that names the field
 */
export function readClaim(payload: Uint8Array, type: string): SignedClaim {
  const json = parseJsonObject(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  const critical = object(json.critical, "critical");
  if (critical.type !== type) throw new Failure(`it is of type ${quoted(critical.type)}`);
  const image = object(critical.image, "critical.image");
  const identity = object(critical.identity, "critical.identity");
  const extra: JsonObject = optional(json.optional, "optional", object) ?? {};
  const { timestamp } = extra;
  return {
    digest: readDigest(image["docker-manifest-digest"], "critical.image.docker-manifest-digest"),
    reference: string(identity["docker-reference"], "critical.identity.docker-reference"),
    signedAt: typeof timestamp === "number" && Math.abs(timestamp) < 1e11
      ? timestamp * 1000
      : undefined,
  };
}

/** Why a claim is about another image than the one that is wanted; `undefined` when it is about this one. */
export function mismatch(claim: SignedClaim, wanted: WantedImage): string | undefined {
  if (!wanted.digests.includes(claim.digest)) return `it is of another image, ${claim.digest}`;
  let signed: RegistryReference;
  try {
    signed = parseReference(claim.reference);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return `it is for ${quoted(claim.reference)}, which is no name`;
  }
  const { registry, repository, tag, digest } = wanted.reference;
  const isSame = signed.registry === registry && signed.repository === repository;
  // A name without a tag is read as "latest", but says nothing of tags.
  const saysTag = /:[^/]*$/.test(claim.reference.split("@")[0] ?? "");
  const isOtherTag = saysTag && digest === undefined && tag !== undefined && signed.tag !== tag;
  return isSame && !isOtherTag ? undefined : `it is for ${quoted(claim.reference)}`;
}
