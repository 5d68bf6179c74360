import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { bytesSource } from "../../aci/bytes/source.ts";
import { concat } from "../../linux/bytes.ts";
import { openEncryptedLayer } from "./decrypt_layer.ts";
import { layerKey } from "./layer_keys.ts";
import { encryptedLayer, readLayerRecipients } from "./encrypt_layer.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const curve = generateKeyPairSync("ec", { namedCurve: "P-384" });
const secretPem = ({ privateKey }: typeof rsa) =>
  privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const publicPem = ({ publicKey }: typeof rsa) =>
  new TextEncoder().encode(publicKey.export({ type: "spki", format: "pem" }).toString());

const plain = crypto.getRandomValues(new Uint8Array(60_001));

/** A layer that comes in parts of an odd size, encrypted to both. */
async function encrypted() {
  const recipients = await Promise.all(
    [rsa, curve].map((pair) => readLayerRecipients(publicPem(pair), "key")),
  );
  const parts = [plain.slice(0, 33_333), plain.slice(33_333)];
  const { stream, annotations } = encryptedLayer(ReadableStream.from(parts), {
    pgp: [],
    jwe: recipients.flatMap(({ jwe }) => jwe),
  });
  const bytes = concat(...await Array.fromAsync(stream));
  return { bytes, annotations: await annotations() };
}

Deno.test("each recipient decrypts a layer, whose key is its own", async () => {
  const [one, two] = [await encrypted(), await encrypted()];
  assert.equal(one.bytes.length, plain.length);
  const keys = [one, two].map(async ({ annotations }) =>
    (await layerKey("layer", annotations, { keys: [], passphrases: [], pem: [secretPem(rsa)] })).key
  );
  assert.notDeepEqual(await keys[0], await keys[1]);
  for (const pair of [rsa, curve]) {
    const by = { keys: [], passphrases: [], pem: [secretPem(pair)] };
    using layer = await openEncryptedLayer(
      bytesSource("layer", one.bytes, 999),
      one.annotations,
      by,
    );
    const parts = [];
    for (let part = await layer.read(); part !== undefined; part = await layer.read()) {
      parts.push(part);
    }
    assert.deepEqual(concat(...parts), plain);
  }
  // One's annotations do not open another one.
  using other = await openEncryptedLayer(bytesSource("layer", two.bytes, 999), one.annotations, {
    ...{ keys: [], passphrases: [] },
    pem: [secretPem(rsa)],
  });
  await assert.rejects(async () => {
    while (await other.read() !== undefined);
  }, /its HMAC is wrong/);
});
