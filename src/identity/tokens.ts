/** Tokens (RFC 7519) as SPIFFE wants them (JWT-SVID). */
import { createPublicKey, sign, verify } from "node:crypto";
import { Failure } from "../failure.ts";
import { bundleKeys } from "./bundle.ts";
import type { SigningKey } from "./host_keys.ts";
import { type Fields, readDocument, signedDocument, thumbprint } from "./jws.ts";
import { domainId, type PodIdentity, spiffeId } from "./pod_identity.ts";

/** Seconds that a token is valid. */
const TOKEN_LIFE = 300;

/** Signs a token for an audience. */
export function issueToken(
  key: SigningKey,
  identity: PodIdentity,
  audience: readonly string[],
  now = Date.now(),
): string {
  const { pod, app, imageId, imageName, trustDomain } = identity;
  const seconds = Math.floor(now / 1000);
  const header = { alg: "ES256", typ: "JWT", kid: thumbprint(key.publicKey) };
  const claims = {
    sub: spiffeId(identity),
    aud: audience,
    iss: domainId(trustDomain),
    iat: seconds,
    exp: seconds + TOKEN_LIFE,
    rkt: { pod, app, imageID: imageId, ...imageName !== "" && { imageName } },
  };
  return signedDocument(
    header,
    claims,
    (text) => sign("sha256", text, { key: key.privateKey, dsaEncoding: "ieee-p1363" }),
  );
}

/** The claims of a token, as far as they are looked at. */
export type Claims = Fields & { readonly sub: string };

/**
 * Verifies a token offline.
 *
 * @throws {Failure} says what is wrong with it
 */
export function verifyToken(
  token: string,
  bundleText: string,
  audience: string,
  now = Date.now(),
): Claims {
  const { header: { alg, kid }, claims, text, signature } = readDocument(token, "token");
  if (alg !== "ES256") throw new Failure("the token is not signed by ES256");
  const found = bundleKeys(bundleText, "jwt-svid").find((key) => key.kid === kid);
  if (found === undefined) throw new Failure("the token is signed by no key of the bundle");
  const { kty, crv, x, y } = found;
  if (kty !== "EC" || crv !== "P-256" || typeof x !== "string" || typeof y !== "string") {
    throw new Failure("the bundle's key is of another kind");
  }
  const key = createPublicKey({ key: { kty, crv, x, y }, format: "jwk" });
  if (!verify("sha256", text, { key, dsaEncoding: "ieee-p1363" }, signature)) {
    throw new Failure("the signature is wrong");
  }
  const { sub, aud, exp } = claims;
  if (typeof exp !== "number" || exp * 1000 <= now) throw new Failure("the token has expired");
  if (!(Array.isArray(aud) ? aud : [aud]).includes(audience)) {
    throw new Failure(`the token is not for the audience "${audience}"`);
  }
  if (typeof sub !== "string" || !sub.startsWith("spiffe://")) throw new Failure("it names nobody");
  return { ...claims, sub };
}
