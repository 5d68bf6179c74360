import assert from "node:assert/strict";
import { AppcError } from "./error.ts";
import { parseAcVersion, parseSemVer } from "./semver.ts";

Deno.test("parseSemVer() takes versions apart", () => {
  const expected = { major: 0, minor: 8, patch: 11, preRelease: "rc.1-x", metadata: "git-9" };
  assert.deepEqual(parseSemVer("0.8.11-rc.1-x+git-9"), expected);
  assert.deepEqual(parseSemVer("1.2.3+m-n"), {
    ...{ major: 1, minor: 2, patch: 3 },
    ...{ preRelease: "", metadata: "m-n" },
  });
});

Deno.test("parseSemVer() refuses what is no version", () => {
  for (const value of ["", "1", "1.2", "v1.2.3", "1.2.3-", "1.2.3+", "1.2.3.4", "0.0.0", 1, null]) {
    assert.throws(() => parseSemVer(value), AppcError, String(value));
  }
});

Deno.test("parseAcVersion() refuses another major version", () => {
  assert.equal(parseAcVersion("0.5.1", "acVersion", [0]), "0.5.1");
  assert.throws(() => parseAcVersion("1.0.0", "acVersion", [0]), {
    message: 'acVersion: "1.0.0" is not compatible: this is an implementation of 0.8.11',
  });
});
