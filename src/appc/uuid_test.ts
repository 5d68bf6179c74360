import assert from "node:assert/strict";
import { AppcError } from "./error.ts";
import { parseUuid } from "./uuid.ts";

const UUID = "6733c088-a507-4694-aabf-edbe4fc5266f";

Deno.test("parseUuid() takes both forms and makes one of them", () => {
  assert.equal(parseUuid(UUID), UUID);
  assert.equal(parseUuid(UUID.toUpperCase()), UUID);
  assert.equal(parseUuid(UUID.replaceAll("-", "")), UUID);
});

Deno.test("parseUuid() refuses everything else", () => {
  for (const value of ["", UUID.slice(1), UUID + "0", UUID.replace("-", ""), 1, null]) {
    assert.throws(() => parseUuid(value), AppcError, String(value));
  }
});
