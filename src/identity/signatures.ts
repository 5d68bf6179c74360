/**
 * Signatures of pods (Ed25519, RFC 8032; as JWS with the algorithm EdDSA, RFC 8037). Other than an HMAC they are verified by the
 * host's bundle alone. They have no end: what they name is who had this content signed, and when.
 */
import { createHash, createPublicKey, sign, verify } from "node:crypto";
import { Failure } from "../failure.ts";
import { bundleKeys } from "./bundle.ts";
import type { SigningKey } from "./host_keys.ts";
import { type Fields, readDocument, signedDocument, thumbprint } from "./jws.ts";
import { domainId } from "./pod_identity.ts";

/** What the header calls such a document, so that none is taken for another kind. */
const TYPE = "rkt-signature";

/** A pod that signs. */
export interface SigningPod {
  readonly trustDomain: string;
  readonly pod: string;
  readonly apps: readonly { readonly name: string; readonly image: SignedImage }[];
}

interface SignedImage {
  readonly id: string;
  readonly name?: string | undefined;
}

const digestOf = (content: Uint8Array): string =>
  createHash("sha512").update(content).digest("hex");

/** Signs a content for a pod. */
export function signForPod(
  key: SigningKey,
  { trustDomain, pod, apps }: SigningPod,
  content: Uint8Array,
  now = Date.now(),
): string {
  const header = { alg: "EdDSA", typ: TYPE, kid: thumbprint(key.publicKey) };
  const claims = {
    sub: `${domainId(trustDomain)}/pod/${pod}`,
    iss: domainId(trustDomain),
    iat: Math.floor(now / 1000),
    sha512: digestOf(content),
    rkt: {
      pod,
      apps: apps.map(({ name, image }) => ({
        name,
        imageID: image.id,
        ...image.name !== undefined && { imageName: image.name },
      })),
    },
  };
  return signedDocument(header, claims, (text) => sign(null, text, key.privateKey));
}

/**
 * Verifies a signature offline, and returns what it says of who has signed.
 *
 * @throws {Failure} says what is wrong with it
 */
export function verifySignature(signature: string, bundle: string, content: Uint8Array): Fields {
  const { header, claims, text, signature: bytes } = readDocument(signature, "signature");
  if (header.alg !== "EdDSA" || header.typ !== TYPE) {
    throw new Failure("this is no signature of a pod");
  }
  const { kty, crv, x } =
    bundleKeys(bundle, "rkt-signature").find(({ kid }) => kid === header.kid) ?? {};
  if (kty !== "OKP" || crv !== "Ed25519" || typeof x !== "string") {
    throw new Failure("the signature is made by no key of the bundle");
  }
  const key = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
  if (!verify(null, text, key, bytes)) throw new Failure("the signature is wrong");
  if (claims.sha512 !== digestOf(content)) {
    throw new Failure("the signature is of another content");
  }
  return claims;
}
