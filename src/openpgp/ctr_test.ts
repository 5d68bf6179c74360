import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { concat } from "../linux/bytes.ts";
import { ctr } from "./ctr.ts";
import { libcrypto } from "./libcrypto.ts";

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

Deno.test("AES-256 in counter mode is what node:crypto makes, by libcrypto and without it", () => {
  const key = random(32);
  // The second one carries through all of its bytes.
  for (const first of [random(16), new Uint8Array(16).fill(0xff), random(16).fill(0xff, 4)]) {
    const plain = random(5003);
    const expected = new Uint8Array(createCipheriv("aes-256-ctr", key, first).update(plain));
    for (const library of [libcrypto() ?? "none", "none"] as const) {
      for (const step of [1, 7, 16, 100, 4096, 10_000]) {
        using cipher = ctr(key, first, library);
        const parts: Uint8Array[] = [];
        for (let at = 0; at < plain.length; at += step) {
          const part = plain.slice(at, at + step);
          cipher.update(part);
          parts.push(part);
        }
        assert.deepEqual(concat(...parts), expected, `${step} at once, ${library !== "none"}`);
      }
    }
  }
});
