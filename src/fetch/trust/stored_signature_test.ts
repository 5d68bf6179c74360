import assert from "node:assert/strict";
import { Gpg } from "../../../tests/world/gpg.ts";
import { readPublicKeys } from "../../trust/public_key.ts";
import {
  acceptableSigners,
  createSignedDigests,
  readSignatures,
  type TrustPolicy,
  verifySigned,
} from "../../trust/signature.ts";
import { verifyStoredSignature } from "./stored_signature.ts";

Deno.test("verifyStoredSignature() checks again what was verified, against the keys of now", async () => {
  using gpg = new Gpg();
  const bytes = new TextEncoder().encode("the bytes of an image");
  const life = { time: "20200101T000000", expires: "30y" };
  const key = gpg.key("Peer <peer@example.com>", "ed25519", life);
  const keys = await readPublicKeys(gpg.export(key), key);
  const asc = gpg.sign(bytes, key);
  const candidates = await acceptableSigners("image", await readSignatures(asc, "asc"), keys);
  const digests = await createSignedDigests(candidates.map(({ signature }) => signature));
  digests.update(bytes);
  const [signer] = await verifySigned("image", candidates, digests);
  assert.ok(signer);
  const stored = {
    fingerprint: key,
    identity: "Peer <peer@example.com>",
    signedAt: signer.created.getTime(),
    digest: signer.digest.toHex(),
  };
  const signature = new TextDecoder().decode(asc);
  const again = (change: Record<string, unknown> = {}, trusted = keys, policy: TrustPolicy = {}) =>
    verifyStoredSignature("image", { signature, signers: [stored], ...change }, trusted, policy);

  assert.deepEqual((await again()).map(({ fingerprint }) => fingerprint), [key]);
  assert.deepEqual(await again({ signature: undefined }), []);
  await assert.rejects(again({}, []), /not trusted for this name/);
  const later = new Date(Date.now() + 31 * 366 * 86_400_000);
  await assert.rejects(again({}, keys, { now: later }), /expired on/);
  const digest = stored.digest.replace(/^./, (digit) => digit === "0" ? "1" : "0");
  await assert.rejects(again({ signers: [{ ...stored, digest }] }), /not the bytes that key/);
  const stranger = { ...stored, fingerprint: "0".repeat(40) };
  await assert.rejects(again({ signers: [stranger] }), /is not the one that was verified/);
  const other = new TextDecoder().decode(
    gpg.sign(bytes.subarray(1), key, { time: "20210101T000000" }),
  );
  const replaced = again({ signature: other });
  await assert.rejects(
    replaced,
    /image: its signature in the store is not the one/,
  );
  await assert.rejects(
    again({ signature: "nonsense" }),
    /signature of image in the store: there is/,
  );
});
