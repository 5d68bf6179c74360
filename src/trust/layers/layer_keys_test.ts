import assert from "node:assert/strict";
import { createCipheriv, createHmac, generateKeyPairSync } from "node:crypto";
import { CompactEncrypt, GeneralEncrypt } from "jose";
import { bytesSource } from "../../aci/bytes/source.ts";
import { concat } from "../../linux/bytes.ts";
import { decryptedLayer } from "./decrypt_layer.ts";
import { layerKey } from "./layer_keys.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const curve = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pemOf = ({ privateKey }: typeof rsa) =>
  privateKey.export({ type: "pkcs8", format: "pem" }).toString();

const plain = crypto.getRandomValues(new Uint8Array(40_000));
const [key, nonce] = [32, 16].map((size) => crypto.getRandomValues(new Uint8Array(size)));
const encrypted = new Uint8Array(
  createCipheriv("aes-256-ctr", key ?? plain, nonce ?? plain).update(plain),
);
const base64 = (bytes: Uint8Array | string) =>
  (typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes).toBase64();
const secret = JSON.stringify({
  symkey: base64(key ?? plain),
  cipheroptions: { nonce: base64(nonce ?? plain) },
});
const hmac = createHmac("sha256", key ?? plain).update(encrypted).digest();
const open = { cipher: "AES_256_CTR_HMAC_SHA256", hmac: base64(hmac), cipheroptions: {} };

/** Annotations of a layer whose key is wrapped so. */
const annotations = (jwe: unknown, options: Record<string, unknown> = open) => ({
  "org.opencontainers.image.enc.keys.jwe": base64(JSON.stringify(jwe)),
  "org.opencontainers.image.enc.pubopts": base64(JSON.stringify(options)),
});

/** A JWE for both recipients, as ocicrypt makes it. */
const forBoth = await new GeneralEncrypt(new TextEncoder().encode(secret))
  .setProtectedHeader({ enc: "A256GCM" })
  .addRecipient(rsa.publicKey).setUnprotectedHeader({ alg: "RSA-OAEP" })
  .addRecipient(curve.publicKey).setUnprotectedHeader({ alg: "ECDH-ES+A256KW" })
  .encrypt();

const by = (...pem: string[]) => ({ keys: [], passphrases: [], pem });

async function all(bytes: Uint8Array, found: Awaited<ReturnType<typeof layerKey>>) {
  using source = decryptedLayer(bytesSource("layer", bytes, 1000), found);
  const parts = [];
  for (let part = await source.read(); part !== undefined; part = await source.read()) {
    parts.push(part);
  }
  return concat(...parts);
}

Deno.test("a layer's key is found by each recipient's private key, and by nobody else's", async () => {
  for (const pair of [rsa, curve]) {
    const found = await layerKey("layer", annotations(forBoth), by(pemOf(pair)));
    assert.deepEqual(await all(encrypted, found), plain);
  }
  const stranger = pemOf(generateKeyPairSync("ec", { namedCurve: "P-256" }));
  for (const pem of [[], [stranger]]) {
    await assert.rejects(
      layerKey("layer", annotations(forBoth), by(...pem)),
      /keys that are not here/,
    );
  }
});

Deno.test("a layer that was changed, cut or is another one is refused at its end", async () => {
  const found = await layerKey("layer", annotations(forBoth), by(pemOf(curve)));
  const changed = encrypted.with(20_000, (encrypted[20_000] ?? 0) ^ 1);
  for (const bad of [changed, encrypted.slice(0, -1), concat(encrypted, Uint8Array.of(0))]) {
    await assert.rejects(all(bad, found), /its HMAC is wrong/);
  }
});

/** Headers that must unwrap nothing, whatever the host's keys are. */
const HOSTILE: readonly (readonly [string, Record<string, unknown>])[] = [
  ["no algorithm", { enc: "A256GCM", alg: "none" }],
  ["a key that is agreed on without wrapping", { enc: "A256GCM", alg: "dir" }],
  [
    "a passphrase of a billion rounds",
    { enc: "A256GCM", alg: "PBES2-HS512+A256KW", p2c: 1e9, p2s: "AAAA" },
  ],
  ["RSA of PKCS #1 1.5", { enc: "A256GCM", alg: "RSA1_5" }],
  ["a mode without authentication", { enc: "A256CBC", alg: "RSA-OAEP" }],
  ["compression", { enc: "A256GCM", alg: "RSA-OAEP", zip: "DEF" }],
  ["a critical header that nobody knows", { enc: "A256GCM", alg: "RSA-OAEP", crit: ["x"], x: 1 }],
];
for (const [what, header] of HOSTILE) {
  Deno.test(`a JWE with ${what} is taken for nobody's`, async () => {
    const [first] = forBoth.recipients;
    const jwe = {
      ...forBoth,
      protected: new TextEncoder().encode(JSON.stringify(header)).toBase64({
        alphabet: "base64url",
        omitPadding: true,
      }),
      recipients: [{ encrypted_key: first?.encrypted_key }],
    };
    await assert.rejects(
      layerKey("layer", annotations(jwe), by(pemOf(rsa))),
      /keys that are not here/,
    );
  });
}

Deno.test("a JWE that fits a key, but is wrapped as ocicrypt never does, is taken for nobody's", async () => {
  const jwe = await new GeneralEncrypt(new TextEncoder().encode(secret))
    .setProtectedHeader({ enc: "A256GCM" })
    .addRecipient(rsa.publicKey).setUnprotectedHeader({ alg: "RSA-OAEP-512" })
    .encrypt();
  await assert.rejects(
    layerKey("layer", annotations(jwe), by(pemOf(rsa))),
    /keys that are not here/,
  );
});

Deno.test("what stands beside the key has to be what ocicrypt writes", async () => {
  const wrongs: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ ...open, cipher: "none" }, /its cipher is not/],
    [{ ...open, hmac: "" }, /has another size/],
    [{ ...open, hmac: undefined }, /hmac/],
  ];
  for (const [options, why] of wrongs) {
    await assert.rejects(layerKey("layer", annotations(forBoth, options), by(pemOf(rsa))), why);
  }
  const other = await new CompactEncrypt(new TextEncoder().encode("[]"))
    .setProtectedHeader({ alg: "RSA-OAEP", enc: "A256GCM" }).encrypt(rsa.publicKey);
  const [header, encrypted_key, iv, ciphertext, tag] = other.split(".");
  const flat = { protected: header, encrypted_key, iv, ciphertext, tag };
  await assert.rejects(layerKey("layer", annotations(flat), by(pemOf(rsa))), /can't be decrypted/);
});
