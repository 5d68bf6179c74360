import assert from "node:assert/strict";
import { parseEnvironment, parseEnvironmentName } from "./environment.ts";
import { AppcError } from "./error.ts";

Deno.test("parseEnvironmentName() takes letters, digits and _ . -", () => {
  for (const name of ["A", "_", "a1", "REDUCE_WORKER.DEBUG-x"]) {
    assert.equal(parseEnvironmentName(name), name);
  }
  for (const name of ["", "1A", ".A", "-", "A=B", "A B", "Ä", "A\0", "[", "`", "@", 1, null]) {
    assert.throws(() => parseEnvironmentName(name), AppcError, String(name));
  }
});

Deno.test("parseEnvironment() keeps the order and refuses a name twice", () => {
  const list = [{ name: "B", value: "" }, { name: "A", value: "x=y" }];
  assert.deepEqual(parseEnvironment(list, "e"), list);
  assert.throws(() => parseEnvironment([...list, ...list], "e"), {
    message: 'e[2]: "B" is there twice',
  });
});
