import assert from "node:assert/strict";
import { passwdEntry } from "./user.ts";

Deno.test("a user is found by his number, and by no other field", () => {
  assert.equal(passwdEntry(0)?.[0], "root");
  assert.equal(passwdEntry(4_294_967_294), undefined);
});
