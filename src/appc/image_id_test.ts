import assert from "node:assert/strict";
import { AppcError } from "./error.ts";
import { parseImageId, parseImageIdPrefix, shortImageId, storeKey } from "./image_id.ts";

const FULL = "sha512-" + "0123456789abcdef".repeat(8);

const OCI = "sha256-" + "0".repeat(64);

Deno.test("parseImageId() takes sha512 and 128 digits, or sha256 and 64", () => {
  assert.equal(parseImageId(FULL), FULL);
  assert.equal(parseImageId(OCI), OCI);
  for (
    const value of [
      FULL + "0",
      FULL.slice(0, -1),
      FULL.toUpperCase(),
      "sha256-" + "0".repeat(65),
      "sha384-" + "0".repeat(96),
      1,
    ]
  ) {
    assert.throws(() => parseImageId(value), AppcError, String(value));
  }
});

Deno.test("parseImageIdPrefix() takes 2 to 128 digits", () => {
  assert.equal(parseImageIdPrefix("sha512-0f"), "sha512-0f");
  assert.equal(parseImageIdPrefix(FULL), FULL);
  for (const value of ["sha512-", "sha512-0", "sha512-0g", "sha512-0f-0f", FULL + "0"]) {
    assert.throws(() => parseImageIdPrefix(value), AppcError, value);
  }
});

Deno.test("storeKey() is the first half, shortImageId() the first 39 characters", () => {
  const id = parseImageId(FULL);
  assert.equal(storeKey(id), "sha512-" + "0123456789abcdef".repeat(4));
  assert.equal(shortImageId(id).length, 39);
});
