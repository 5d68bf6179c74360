/** The bundle of a host: the public keys by which others verify what it has signed (SPIFFE Trust Domain and Bundle, 4). */
import { Failure } from "../failure.ts";
import { authorityCertificate } from "./certificates.ts";
import type { HostKeys, SigningKey } from "./host_keys.ts";
import { type Fields, fieldsOfObject, thumbprint } from "./jws.ts";

/**
 * What a key of a bundle is for. The last one is rkt's own, for signatures of pods; whoever does not know it ignores it, as
 * the specification wants.
 */
export type KeyUse = "x509-svid" | "jwt-svid" | "rkt-signature";

const jwk = ({ publicKey }: SigningKey) => publicKey.export({ format: "jwk" });
const tokenKey = ({ tokens }: HostKeys) => ({
  ...{ use: "jwt-svid" satisfies KeyUse, kid: thumbprint(tokens.publicKey) },
  ...jwk(tokens),
});

/** All public keys of a host, as JWK set. */
export function bundle(keys: HostKeys, trustDomain: string): string {
  const certificate = authorityCertificate(keys.authority, trustDomain).toBase64();
  const { signatures } = keys;
  return JSON.stringify({
    keys: [
      { use: "x509-svid" satisfies KeyUse, ...jwk(keys.authority), x5c: [certificate] },
      tokenKey(keys),
      {
        ...{ use: "rkt-signature" satisfies KeyUse, kid: thumbprint(signatures.publicKey) },
        ...{ alg: "EdDSA", ...jwk(signatures) },
      },
    ],
  });
}

/** Those of tokens alone: clients of the Workload API take each key of its answer for one of tokens. */
export const tokenBundle = (keys: HostKeys): string => JSON.stringify({ keys: [tokenKey(keys)] });

/**
 * The keys of a bundle for one use.
 *
 * @throws {Failure} where the text is no bundle
 */
export function bundleKeys(text: string, use: KeyUse): readonly Fields[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Failure("the bundle is no JSON");
  }
  const { keys } = fieldsOfObject(parsed);
  return (Array.isArray(keys) ? keys : []).map(fieldsOfObject).filter((key) => key.use === use);
}
