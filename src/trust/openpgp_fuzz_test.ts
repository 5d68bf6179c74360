/** Whatever a server sends as key or signature, the answer is a refusal in one line: no stack, no hang. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Gpg } from "../../tests/world/gpg.ts";
import { type PublicKey, readPublicKeys } from "./public_key.ts";
import {
  acceptableSigners,
  createSignedDigests,
  readSignatures,
  verifySigned,
} from "./signature.ts";

const CASES = 10_000;
const IMAGE = new TextEncoder().encode("image");

function armoured(kind: string, bytes: Uint8Array): Uint8Array {
  const body = btoa(String.fromCharCode(...bytes)).replace(/.{64}/g, "$&\n");
  return new TextEncoder().encode(
    `-----BEGIN PGP ${kind}-----\n\n${body}\n-----END PGP ${kind}-----\n`,
  );
}

function unarmoured(asc: Uint8Array): Uint8Array {
  const body = /\n\n([^]*?)\n=/.exec(new TextDecoder().decode(asc))?.[1] ?? "";
  return Uint8Array.from(atob(body.replace(/\n/g, "")), (char) => char.charCodeAt(0));
}

/** Real packets with bytes changed, taken out, doubled or cut, and packets that were never real. */
function packets(samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat(4096),
    length: fc.nat(8),
    bytes: fc.uint8Array({ maxLength: 8 }),
  });
  const changed = fc.record({
    sample: fc.constantFrom(...samples),
    changes: fc.array(change, { minLength: 1, maxLength: 4 }),
  }).map(({ sample, changes }) => {
    let bytes = [...sample];
    for (const { at, length, bytes: put } of changes) {
      const start = at % (bytes.length + 1);
      bytes = [...bytes.slice(0, start), ...put, ...bytes.slice(start + length)];
    }
    return Uint8Array.from(bytes);
  });
  const invented = fc.record({
    tag: fc.nat(63),
    body: fc.uint8Array({ maxLength: 180 }),
  }).map(({ tag, body }) => Uint8Array.from([0xc0 | tag, body.length, ...body]));
  return fc.oneof({ weight: 4, arbitrary: changed }, { weight: 1, arbitrary: invented });
}

async function refusedInOneLine(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof Error && error.name === "Failure", error as Error);
    assert.doesNotMatch(error.message, /\p{Cc}/u);
  }
}

Deno.test("readSignatures() and verifySigned() survive any packets", async () => {
  using gpg = new Gpg();
  const fingerprints = ["ed25519", "rsa2048", "nistp256"].map((algorithm) =>
    gpg.key(`${algorithm} <${algorithm}@example.com>`, algorithm)
  );
  const keys: PublicKey[] = await readPublicKeys(gpg.export(fingerprints[0] ?? ""), "key");
  const samples = fingerprints.map((key) => unarmoured(gpg.sign(IMAGE, key)));
  await fc.assert(
    fc.asyncProperty(packets(samples), (bytes) =>
      refusedInOneLine(async () => {
        const signatures = await readSignatures(armoured("SIGNATURE", bytes), "fuzzed");
        const candidates = await acceptableSigners("fuzzed", signatures, keys);
        const digests = await createSignedDigests(candidates.map((found) => found.signature));
        await verifySigned("fuzzed", candidates, digests);
        assert.fail("a signature of other bytes was accepted");
      })),
    { numRuns: CASES },
  );
});

Deno.test("readPublicKeys() survives any packets", async () => {
  using gpg = new Gpg();
  const samples = ["ed25519", "rsa2048", "nistp256", "dsa2048"].map((algorithm) =>
    unarmoured(gpg.export(gpg.key(`${algorithm} <${algorithm}@example.com>`, algorithm)))
  );
  await fc.assert(
    fc.asyncProperty(
      packets(samples),
      fc.boolean(),
      (bytes, armour) =>
        refusedInOneLine(() =>
          readPublicKeys(armour ? armoured("PUBLIC KEY BLOCK", bytes) : bytes, "fuzzed")
        ),
    ),
    { numRuns: CASES },
  );
});
