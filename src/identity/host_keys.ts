/** The keys of a host's identities, which are derived of its secret: see host_secret.ts. */
import { createECDH, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { derivedKey, type HostSecret } from "./host_secret.ts";

/** The order of the curve P-256 (FIPS 186-5; SEC 2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** A key pair on the curve P-256. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** The keys that sign documents of pods. */
export interface HostKeys {
  /** Of certificates. */
  readonly authority: SigningKey;
  /** Of tokens. */
  readonly tokens: SigningKey;
}

export function hostKeys(secret: HostSecret): HostKeys {
  return {
    authority: keyFrom(derivedKey(secret, "x509 authority", 48)),
    tokens: keyFrom(derivedKey(secret, "jwt authority", 48)),
  };
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
