/** Tokens (RFC 7519) as SPIFFE wants them (JWT-SVID), and the bundle by which others verify them. */
import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { Failure } from "../failure.ts";
import { authorityCertificate } from "./certificates.ts";
import type { HostKeys, SigningKey } from "./host_keys.ts";
import { domainId, type PodIdentity, spiffeId } from "./pod_identity.ts";

/** Seconds that a token is valid. */
const TOKEN_LIFE = 300;

const base64url = (bytes: Uint8Array): string =>
  bytes.toBase64({ alphabet: "base64url", omitPadding: true });
const encoded = (value: unknown): string =>
  base64url(new TextEncoder().encode(JSON.stringify(value)));

/** The identifier of a key in bundles and tokens (RFC 7638). */
function thumbprint(key: KeyObject): string {
  const { crv, kty, x, y } = key.export({ format: "jwk" });
  return base64url(createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest());
}

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
  const text = `${encoded(header)}.${encoded(claims)}`;
  const signature = sign("sha256", new TextEncoder().encode(text), {
    key: key.privateKey,
    dsaEncoding: "ieee-p1363",
  });
  return `${text}.${base64url(signature)}`;
}

/** What verifies the documents of a host, as JWK set (SPIFFE Trust Domain and Bundle, 4). */
export function bundle(keys: HostKeys, trustDomain: string): string {
  const jwk = ({ publicKey }: SigningKey) => publicKey.export({ format: "jwk" });
  const certificate = authorityCertificate(keys.authority, trustDomain).toBase64();
  return JSON.stringify({
    keys: [
      { use: "x509-svid", ...jwk(keys.authority), x5c: [certificate] },
      { use: "jwt-svid", kid: thumbprint(keys.tokens.publicKey), ...jwk(keys.tokens) },
    ],
  });
}

/** The claims of a token, as far as they are looked at. */
export type Claims = Readonly<Record<string, unknown>> & { readonly sub: string };

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {};

function part(text: string): Readonly<Record<string, unknown>> {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    return record(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    throw new Failure("the token can't be read");
  }
}

/** The keys of a bundle for one use. */
export function bundleKeys(text: string, use: "x509-svid" | "jwt-svid") {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Failure("the bundle is no JSON");
  }
  const { keys } = record(parsed);
  return (Array.isArray(keys) ? keys : []).map(record).filter((key) => key.use === use);
}

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
  const [header = "", body = "", signature = "", ...more] = token.trim().split(".");
  const { alg, kid } = part(header);
  if (more.length > 0 || alg !== "ES256") throw new Failure("the token is not signed by ES256");
  const found = bundleKeys(bundleText, "jwt-svid").find((key) => key.kid === kid);
  if (found === undefined) throw new Failure("the token is signed by no key of the bundle");
  const { kty, crv, x, y } = found;
  if (kty !== "EC" || crv !== "P-256" || typeof x !== "string" || typeof y !== "string") {
    throw new Failure("the bundle's key is of another kind");
  }
  const key = createPublicKey({ key: { kty, crv, x, y }, format: "jwk" });
  const bytes = Uint8Array.fromBase64(signature, { alphabet: "base64url" });
  const text = new TextEncoder().encode(`${header}.${body}`);
  if (!verify("sha256", text, { key, dsaEncoding: "ieee-p1363" }, bytes)) {
    throw new Failure("the signature is wrong");
  }
  const claims = part(body);
  const { sub, aud, exp } = claims;
  if (typeof exp !== "number" || exp * 1000 <= now) throw new Failure("the token has expired");
  if (!(Array.isArray(aud) ? aud : [aud]).includes(audience)) {
    throw new Failure(`the token is not for the audience "${audience}"`);
  }
  if (typeof sub !== "string" || !sub.startsWith("spiffe://")) throw new Failure("it names nobody");
  return { ...claims, sub };
}
