import assert from "node:assert/strict";
import type { SecretKey } from "../../trust/sign_file.ts";
import { keyNamed } from "./own_keys.ts";

const key = (fingerprint: string, ...identities: string[]) =>
  ({ fingerprint, identities, created: new Date(0) }) as unknown as SecretKey;

Deno.test("a key is named by its fingerprint, the end of it, its identity or mail address", () => {
  const keys = [
    key("a".repeat(32) + "12345678", "Jo <jo@example.com>", "jo"),
    key("b".repeat(32) + "87654321", "Al <al@example.com>"),
    key("c".repeat(40), "Al <al@example.com>"),
  ];
  for (
    const text of [
      "0x12345678",
      "A".repeat(32) + "12345678",
      "jo@example.com",
      "jo",
      "Jo <jo@example.com>",
    ]
  ) {
    assert.equal(keyNamed(keys, text), keys[0], text);
  }
  for (const text of ["", "o@example.com", "Jo", "12345", "example.com>", "00000000"]) {
    assert.equal(keyNamed(keys, text), undefined, text);
  }
  assert.throws(() => keyNamed(keys, "al@example.com"), /several keys are of al@example.com/);
});
