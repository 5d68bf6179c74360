import assert from "node:assert/strict";
import { usersOfMap } from "./own_users.ts";

Deno.test("a map says which users a namespace has", () => {
  assert.equal(usersOfMap("         0          0 4294967295\n"), "all");
  assert.equal(usersOfMap("         0       1000          1\n"), "one");
  assert.equal(
    usersOfMap("         0       1000          1\n         1     100000      65536\n"),
    "range",
  );
  assert.equal(usersOfMap("         0     100000      65536\n"), "range");
});
