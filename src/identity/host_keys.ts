/** The keys of a host's identities, which are derived of its secret: see host_secret.ts. */
import { Buffer } from "node:buffer";
import { createECDH, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { derivedKey, type HostSecret } from "./host_secret.ts";

/** The order of the curve P-256 (FIPS 186-5; SEC 2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** What stands before the 32 bytes of a private key of Ed25519 in PKCS #8 (RFC 8410, 7). */
const ED25519_PKCS8 = Uint8Array.fromHex("302e020100300506032b657004220420");

/** A key pair. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** The keys that sign documents of pods. */
export interface HostKeys {
  /** Of certificates; P-256. */
  readonly authority: SigningKey;
  /** Of tokens; P-256. */
  readonly tokens: SigningKey;
  /** Of what pods have signed; Ed25519. */
  readonly signatures: SigningKey;
}

export function hostKeys(secret: HostSecret): HostKeys {
  return {
    authority: keyFrom(derivedKey(secret, "x509 authority", 48)),
    tokens: keyFrom(derivedKey(secret, "jwt authority", 48)),
    signatures: ed25519From(derivedKey(secret, "pod signatures", 32)),
  };
}

/** A key of Ed25519: any 32 bytes are one (RFC 8032, 5.1.5). */
function ed25519From(seed: Uint8Array): SigningKey {
  const key = Buffer.concat([ED25519_PKCS8, seed]);
  const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** A key of so many random bytes that none is more likely than others (FIPS 186-5, A.2.1). */
function keyFrom(bytes: Uint8Array): SigningKey {
  const number = BigInt(`0x${bytes.toHex()}`) % (ORDER - 1n) + 1n;
  const scalar = Uint8Array.fromHex(number.toString(16).padStart(64, "0"));
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(scalar);
  const point = curve.getPublicKey();
  const base64 = (part: Uint8Array) => part.toBase64({ alphabet: "base64url", omitPadding: true });
  const jwk = {
    ...{ kty: "EC", crv: "P-256", d: base64(scalar) },
    ...{ x: base64(point.subarray(1, 33)), y: base64(point.subarray(33)) },
  };
  const privateKey = createPrivateKey({ key: jwk, format: "jwk" });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}
