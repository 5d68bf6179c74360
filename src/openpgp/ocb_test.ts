import assert from "node:assert/strict";
import { Ocb, TAG } from "./ocb.ts";

const KEY = Uint8Array.fromHex("000102030405060708090a0b0c0d0e0f");
const counting = (size: number) => Uint8Array.from({ length: size }, (_, i) => i);

/** RFC 7253, appendix A: the nonce's last byte, bytes of associated data and of plaintext, and what comes of it. */
const VECTORS: readonly (readonly [number, number, number, string])[] = [
  [0x00, 0, 0, "785407bfffc8ad9edcc5520ac9111ee6"],
  [0x01, 8, 8, "6820b3657b6f615a5725bda0d3b4eb3a257c9af1f8f03009"],
  [0x02, 8, 0, "81017f8203f081277152fade694a0a00"],
  [0x03, 0, 8, "45dd69f8f5aae72414054cd1f35d82760b2cd00d2f99bfa9"],
  [0x04, 16, 16, "571d535b60b277188be5147170a9a22c3ad7a4ff3835b8c5701c1ccec8fc3358"],
  [
    ...[0x0d, 40, 40] as const,
    "d5ca91748410c1751ff8a2f618255b68a0a12e093ff454606e59f9c1d0ddc54b65e8628e568bad7aed07ba06a4a69483a7035490c5769e60",
  ],
];
for (const [last, associated, plain, hex] of VECTORS) {
  Deno.test(`OCB opens the RFC's message ${last}, and none that was changed`, () => {
    const ocb = new Ocb(KEY);
    const nonce = Uint8Array.fromHex(`bbaa998877665544332211${last.toString(16).padStart(2, "0")}`);
    const message = Uint8Array.fromHex(hex);
    const opened = (change: (bytes: Uint8Array) => void = () => {}) => {
      const copy = message.slice();
      change(copy);
      const bytes = copy.slice(0, -TAG);
      return { right: ocb.open(nonce, counting(associated), bytes, copy.slice(-TAG)), bytes };
    };
    const { right, bytes } = opened();
    assert.deepEqual([right, bytes], [true, counting(plain)]);
    for (let i = 0; i < message.length; i++) {
      assert.equal(opened((copy) => copy[i] = (copy[i] ?? 0) ^ 1).right, false, `byte ${i}`);
    }
    assert.equal(
      ocb.open(nonce, counting(associated + 1), message.slice(0, -TAG), message.slice(-TAG)),
      false,
    );
    assert.equal(
      ocb.open(nonce, counting(associated), message.slice(0, -TAG), message.slice(-TAG, -1)),
      false,
    );
  });
}
