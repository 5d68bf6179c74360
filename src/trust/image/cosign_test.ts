import { bundleFromJSON } from "@sigstore/bundle";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
import { doesNotThrow, match, ok, strictEqual, throws } from "node:assert/strict";
import crypto, { generateKeyPairSync, type KeyObject } from "node:crypto";
import { byteAt } from "../../linux/bytes.ts";
import { isDigest } from "../../oci/digest.ts";
import { parseReference } from "../../oci/reference.ts";
import { judgeBundle, judgeCosign } from "./cosign.ts";
import type { Verdict, WantedImage } from "./signed_claim.ts";
import { isPem, readSigningKey } from "./signing_key.ts";
import { bundleOf, cosignPayload, KEY_KINDS, signStatement, testKey } from "./testing/signer.ts";

const digest = (digit: string) => {
  const text = `sha256:${digit.repeat(64)}`;
  if (!isDigest(text)) throw new Error(text);
  return text;
};
const [MANIFEST, INDEX, OTHER] = [digest("a"), digest("b"), digest("c")];

const WANTED: WantedImage = {
  reference: parseReference("registry.example.com/team/app:1.0"),
  digests: [MANIFEST, INDEX],
};

const refusal = (verdict: Verdict) => "refusal" in verdict ? verdict.refusal : "accepted";

Deno.test("readSigningKey() reads what cosign makes, and refuses what is no public key or weak", () => {
  for (const kind of KEY_KINDS) ok(isPem(testKey(kind).pem));
  strictEqual(testKey("P-256").key.algorithm, "ECDSA P-256");
  strictEqual(testKey("rsa").key.algorithm, "RSA 2048");
  const encoding = { type: "pkcs8", format: "pem" } as const;
  const secret = generateKeyPairSync("ed25519").privateKey.export(encoding);
  const spki = { type: "spki", format: "pem" } as const;
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export(spki);
  const curve = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey.export(spki);
  const agree = generateKeyPairSync("x25519").publicKey.export(spki);
  const wrong: readonly (readonly [string, RegExp])[] = [
    [String(secret), /a private key, which is nobody's business/],
    [
      "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nx\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----",
      /a private key/,
    ],
    [String(small), /neither ECDSA .* nor RSA of 2048/],
    [String(curve), /neither ECDSA/],
    [String(agree), /neither ECDSA/],
    [testKey().pem + testKey().pem, /holds 2 keys/],
    ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", /not a usable public key/],
    ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", /a certificate, not a public/],
    ["text", /there is no public key in PEM/],
    ["x".repeat(1 << 17), /larger than 65536 bytes/],
  ];
  for (const [text, reason] of wrong) throws(() => readSigningKey(text, "k"), reason);
});

Deno.test("judgeCosign() accepts a payload of each kind of key, for the manifest and for the index", () => {
  for (const kind of KEY_KINDS) {
    const signer = testKey(kind);
    for (const signed of [MANIFEST, INDEX]) {
      const payload = cosignPayload("registry.example.com/team/app", signed);
      const signature = signer.sign(payload).toBase64();
      const verdict = judgeCosign(payload, signature, [testKey().key, signer.key], WANTED);
      ok("signer" in verdict, `${kind}: ${refusal(verdict)}`);
      strictEqual(verdict.signer.fingerprint, signer.key.fingerprint);
    }
  }
  const strong = testKey("P-384", "sha384");
  const payload = cosignPayload("registry.example.com/team/app:1.0", MANIFEST);
  strictEqual(
    refusal(judgeCosign(payload, strong.sign(payload).toBase64(), [strong.key], WANTED)),
    "accepted",
  );
});

Deno.test("judgeCosign() refuses another image, repository, tag, type or key", () => {
  const signer = testKey();
  const cases: readonly (readonly [string, string, RegExp, Record<string, unknown>?])[] = [
    ["registry.example.com/team/app", OTHER, /it is of another image, sha256:cccc/],
    [
      "registry.example.com/team/other",
      MANIFEST,
      /it is for "registry\.example\.com\/team\/other"/,
    ],
    ["evil.example.com/team/app", MANIFEST, /it is for "evil/],
    ["registry.example.com/team/app:0.9", MANIFEST, /it is for ".*app:0\.9"/],
    ["team/app", MANIFEST, /it is for "team\/app"/],
    ["\x1b[2J", MANIFEST, /it is for "\\u001b\[2J", which is no name/],
    ["registry.example.com/team/app", "sha256:00", /critical\.image\.docker-manifest-digest/],
    ["registry.example.com/team/app", MANIFEST, /of type "atomic container sig/, {
      type: "atomic container signature",
    }],
    ["registry.example.com/team/app", MANIFEST, /critical\.identity: is missing/, {
      identity: null,
    }],
  ];
  for (const [reference, signed, reason, change] of cases) {
    const payload = cosignPayload(reference, signed, change);
    match(
      refusal(judgeCosign(payload, signer.sign(payload).toBase64(), [signer.key], WANTED)),
      reason,
    );
  }
  const payload = cosignPayload("registry.example.com/team/app", MANIFEST);
  const signature = signer.sign(payload).toBase64();
  const none = /none of the keys that are trusted/;
  match(refusal(judgeCosign(payload, signature, [testKey().key], WANTED)), none);
  match(refusal(judgeCosign(payload, signature, [], WANTED)), none);
  match(refusal(judgeCosign(payload, "", [signer.key], WANTED)), none);
  match(refusal(judgeCosign(payload, "!", [signer.key], WANTED)), /it is not base64/);
  // Every byte of the payload counts.
  for (let at = 0; at < payload.length; at++) {
    const changed = payload.slice();
    changed[at] = byteAt(changed, at) ^ 1;
    match(refusal(judgeCosign(changed, signature, [signer.key], WANTED)), none);
  }
});

/** Whether sigstore's own verifier takes a bundle. */
function peerVerify(bundle: Uint8Array, pem: string): void {
  const trusted = {
    certificateAuthorities: [],
    ctlogs: [],
    mediaType: "",
    timestampAuthorities: [],
    tlogs: [],
  };
  const material = toTrustMaterial(
    trusted,
    () => ({ publicKey: readSigningKey(pem, "k").handle, validFor: () => true }),
  );
  const verifier = new Verifier(material, {
    tlogThreshold: 0,
    ctlogThreshold: 0,
    timestampThreshold: 0,
  });
  // The library leaves the digest to OpenSSL, which takes SHA-256 for this kind of key; Deno takes none.
  const { verify } = crypto;
  crypto.verify =
    ((algorithm: string | undefined, ...rest: [Uint8Array, KeyObject, Uint8Array]) =>
      verify(algorithm ?? "sha256", ...rest)) as typeof verify;
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(new TextDecoder().decode(bundle)))));
  } finally {
    crypto.verify = verify;
  }
}

Deno.test("judgeBundle() agrees with sigstore's own verifier about its signer's bundles", async () => {
  const signer = testKey();
  const good = await bundleOf(signer, signStatement(MANIFEST));
  strictEqual(refusal(judgeBundle(good, [testKey().key, signer.key], WANTED)), "accepted");
  doesNotThrow(() => peerVerify(good, signer.pem));
  strictEqual(
    refusal(judgeBundle(await bundleOf(signer, signStatement(INDEX)), [signer.key], WANTED)),
    "accepted",
  );

  const other = testKey();
  match(refusal(judgeBundle(good, [other.key], WANTED)), /none of the keys/);
  throws(() => peerVerify(good, other.pem));
  // A changed payload, and a changed type: the signature is over both.
  const json = JSON.parse(new TextDecoder().decode(good));
  const changed = (change: object) =>
    new TextEncoder().encode(
      JSON.stringify({ ...json, dsseEnvelope: { ...json.dsseEnvelope, ...change } }),
    );
  const payload = changed({ payload: signStatement(INDEX).toBase64() });
  match(refusal(judgeBundle(payload, [signer.key], WANTED)), /none of the keys/);
  throws(() => peerVerify(payload, signer.pem));
});

Deno.test("judgeBundle() refuses what signs no image, or another one", async () => {
  const signer = testKey();
  const verdict = async (change: object, type?: string) =>
    refusal(judgeBundle(
      await bundleOf(signer, signStatement(MANIFEST, { ...change }), type),
      [signer.key],
      WANTED,
    ));
  strictEqual(await verdict({}), "accepted");
  match(
    await verdict({ predicateType: "https://slsa.dev/provenance/v1" }),
    /it signs no image, but says/,
  );
  match(await verdict({ _type: "other" }), /it is no statement/);
  match(
    await verdict({ subject: [{ digest: { sha256: "d".repeat(64) } }] }),
    /of another image, sha256:dddd/,
  );
  match(await verdict({ subject: [] }), /of another image/);
  match(await verdict({ subject: [{ name: "app" }] }), /subject\[0\]\.digest/);
  match(await verdict({}, "application/json"), /it is over "application\/json"/);
  const good = JSON.parse(
    new TextDecoder().decode(await bundleOf(signer, signStatement(MANIFEST))),
  );
  const judge = (bundle: unknown) =>
    refusal(judgeBundle(new TextEncoder().encode(JSON.stringify(bundle)), [signer.key], WANTED));
  match(
    judge({ ...good, mediaType: "application/vnd.dev.sigstore.bundle.v9+json" }),
    /bundle of type/,
  );
  const { dsseEnvelope: envelope } = good;
  match(judge({ ...good, dsseEnvelope: { ...envelope, signatures: [] } }), /has 0 signatures/);
  const twice = [...envelope.signatures, ...envelope.signatures];
  match(judge({ ...good, dsseEnvelope: { ...envelope, signatures: twice } }), /has 2 signatures/);
  match(judge({ ...good, dsseEnvelope: undefined }), /dsseEnvelope: is missing/);
  match(judge([]), /an array is not an object/);
});
