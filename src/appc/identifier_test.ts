import assert from "node:assert/strict";
import { AppcError } from "./error.ts";
import { acIdentifierFrom, parseAcIdentifier } from "./identifier.ts";

Deno.test("parseAcIdentifier() takes what the specification allows", () => {
  const good = ["a", "example.com", "example.com/reduce-worker", "a~b_c/d.e", "a--b", "1/2/3"];
  for (const text of good) assert.equal(parseAcIdentifier(text), text);
});

Deno.test("parseAcIdentifier() refuses everything else", () => {
  const bad = ["", "A", "a b", "-a", "a-", "/a", "a/", "a//b", "a/./b", "a/../b", "a/-/../b", "é"];
  for (const value of [...bad, "a".repeat(1025), 7, null, undefined, {}, []]) {
    assert.throws(() => parseAcIdentifier(value, "name"), AppcError, String(value));
  }
});

Deno.test("parseAcIdentifier() names the field and the value", () => {
  assert.throws(() => parseAcIdentifier("A!", "labels[1].name"), {
    message: 'labels[1].name: "A!" is not a valid name: lower-case letters, digits and the ' +
      "separators - . _ ~ / between them",
  });
});

Deno.test("acIdentifierFrom() makes an identifier of other text", () => {
  assert.equal(acIdentifierFrom("Example.COM/My App!"), "example.com/my_app");
  assert.equal(acIdentifierFrom("--x--"), "x");
  assert.equal(acIdentifierFrom("a//b/../c"), "a/b/c");
  assert.throws(() => acIdentifierFrom("!!!"), AppcError);
});
