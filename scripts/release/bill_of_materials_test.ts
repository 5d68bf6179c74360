import assert from "node:assert/strict";
import { lockedPackages, spdx } from "./bill_of_materials.ts";

const LOCK = JSON.stringify({
  npm: {
    "openpgp@6.3.2": { integrity: `sha512-${btoa("abc")}` },
    "@scope/name@1.0.0_peer@2.0.0": {},
    "@esbuild/darwin-arm64@0.28.2": { os: ["darwin"] },
  },
});

Deno.test("the packages are those of the lock file, without tools for other systems", () => {
  assert.deepEqual(lockedPackages(LOCK), [
    { name: "openpgp", version: "6.3.2", sha512: "616263" },
    { name: "@scope/name", version: "1.0.0" },
  ]);
});

Deno.test("a bill names what it describes, and every package of it once", () => {
  const packages = lockedPackages(LOCK);
  const text = spdx({ machine: "x86_64", date: 1_700_000_000, sha256: "ab", packages });
  assert.equal(spdx({ machine: "x86_64", date: 1_700_000_000, sha256: "ab", packages }), text);
  const bill = JSON.parse(text);
  assert.equal(bill.spdxVersion, "SPDX-2.3");
  assert.equal(bill.creationInfo.created, "2023-11-14T22:13:20Z");
  const ids: string[] = bill.packages.map(({ SPDXID }: { SPDXID: string }) => SPDXID);
  assert.equal(new Set(ids).size, 4);
  const related: string[] = bill.relationships.map((each: { relatedSpdxElement: string }) =>
    each.relatedSpdxElement
  );
  assert.deepEqual(related.toSorted(), ids.toSorted());
  assert.equal(
    bill.packages.at(-1).externalRefs[0].referenceLocator,
    "pkg:npm/%40scope/name@1.0.0",
  );
});
