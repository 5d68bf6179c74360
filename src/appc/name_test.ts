import assert from "node:assert/strict";
import { AppcError } from "./error.ts";
import { acNameFrom, parseAcName } from "./name.ts";

Deno.test("parseAcName() takes lower-case words with dashes", () => {
  for (const text of ["a", "web-1", "a--b", "0"]) assert.equal(parseAcName(text), text);
});

Deno.test("parseAcName() refuses everything else", () => {
  for (const value of ["", "A", "a.b", "a/b", "-a", "a-", "..", "a".repeat(256), 1, null]) {
    assert.throws(() => parseAcName(value), AppcError, String(value));
  }
});

Deno.test("acNameFrom() makes a name of other text", () => {
  assert.equal(acNameFrom("My.App_2"), "my-app-2");
  assert.equal(acNameFrom("/var/lib/x/"), "var-lib-x");
  assert.throws(() => acNameFrom("..."), AppcError);
});
