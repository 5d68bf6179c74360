/** Signatures of images as cosign makes them, of keys that a test makes. Bundles are made by sigstore's own library. */
import { bundleToJSON } from "@sigstore/bundle";
import { DSSEBundleBuilder } from "@sigstore/sign";
import { Buffer } from "node:buffer";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readSigningKey, type SigningKey } from "../signing_key.ts";

/** A pair of keys. */
export interface TestKey {
  readonly key: SigningKey;
  readonly pem: string;
  /** A signature as cosign makes it. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

/** Kinds of keys that cosign can make or import. */
export const KEY_KINDS = ["P-256", "P-384", "P-521", "ed25519", "rsa"] as const;

/** Makes a pair of keys. */
export function testKey(
  kind: typeof KEY_KINDS[number] = "P-256",
  // Deno can't sign a digest that short with that curve.
  hash: string = kind === "P-521" ? "sha512" : "sha256",
): TestKey {
  const { publicKey, privateKey } = kind === "ed25519"
    ? generateKeyPairSync("ed25519")
    : kind === "rsa"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: kind });
  const pem = pemOf(publicKey);
  return {
    key: readSigningKey(pem, "a test"),
    pem,
    sign: (bytes) => new Uint8Array(sign(kind === "ed25519" ? null : hash, bytes, privateKey)),
  };
}

function pemOf(key: KeyObject): string {
  return String(key.export({ type: "spki", format: "pem" }));
}

/** What cosign 2 signs: the payload of simple signing. */
export function cosignPayload(
  reference: string,
  digest: string,
  change: Record<string, unknown> = {},
): Uint8Array<ArrayBuffer> {
  const critical = {
    identity: { "docker-reference": reference },
    image: { "docker-manifest-digest": digest },
    type: "cosign container image signature",
    ...change,
  };
  return new TextEncoder().encode(JSON.stringify({ critical, optional: null }));
}

/** What cosign 3 signs: a statement about a digest. */
export function signStatement(
  digest: string,
  change: Record<string, unknown> = {},
): Uint8Array<ArrayBuffer> {
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ digest: { sha256: digest.replace("sha256:", "") } }],
    predicateType: "https://sigstore.dev/cosign/sign/v1",
    predicate: {},
    ...change,
  };
  return new TextEncoder().encode(JSON.stringify(statement));
}

/** A bundle around a statement, made by @sigstore/sign. */
export async function bundleOf(
  signer: TestKey,
  statement: Uint8Array,
  type = "application/vnd.in-toto+json",
): Promise<Uint8Array<ArrayBuffer>> {
  const der = signer.key.handle.export({ type: "spki", format: "der" });
  const hint = createHash("sha256").update(der).digest("base64");
  const builder = new DSSEBundleBuilder({
    witnesses: [],
    signer: {
      sign: (data) =>
        Promise.resolve({
          signature: Buffer.from(signer.sign(data)),
          key: { $case: "publicKey", publicKey: signer.pem, hint },
        }),
    },
  });
  const bundle = await builder.create({ data: Buffer.from(statement), type });
  return new TextEncoder().encode(JSON.stringify(bundleToJSON(bundle)));
}
