import assert from "node:assert/strict";
import { BINARY_ONLY, leftOut } from "./not_from_sources.ts";
import { ROOT } from "./run_deno.ts";

Deno.test("tests that are left out of the measure are there", () => {
  for (const { file, tests } of BINARY_ONLY) {
    const text = Deno.readTextFileSync(`${ROOT}tests/${file}`);
    for (const name of tests) {
      // A name that is put together is not in the text as a whole.
      const [first = ""] = name.split(/[ :]/);
      assert.ok(
        text.includes(name) || text.includes(`"${first}"`) || text.includes(`"${name} of`),
        `${file}: ${name}`,
      );
    }
    assert.deepEqual(leftOut(`tests/${file}`), tests);
  }
  assert.deepEqual(leftOut("tests/pods/run_life_test.ts"), []);
});
