import assert from "node:assert/strict";
import { fetchEvent, withoutSecrets } from "./events.ts";

Deno.test("what gives access to a URL is not recorded", () => {
  const cases = [
    ["https://user:secret@example.com/a.aci", "https://example.com/a.aci"],
    ["https://s3.example.com/a.aci?X-Amz-Signature=1&b#c", "https://s3.example.com/a.aci?…"],
    ["docker://token@registry.example.com/a:1", "docker://registry.example.com/a:1"],
    ["/srv/user@host/a?.aci", "/srv/user@host/a?.aci"],
    ["https://example.com/@scope/a.aci", "https://example.com/@scope/a.aci"],
  ] as const;
  for (const [location, recorded] of cases) assert.equal(withoutSecrets(location), recorded);
});

Deno.test("a fetch says what the image was verified by", () => {
  const image = { name: "example.com/a", imageId: "sha512-0", source: "/a.aci" };
  const fields = (signers: readonly string[]) =>
    new Map(fetchEvent({ ...image, signers, otherwise: "nothing" }).fields);
  assert.equal(fields([]).get("RKT_VERIFIED"), "nothing");
  assert.equal(fields(["f".repeat(40)]).get("RKT_VERIFIED"), "signature");
  assert.equal(fields(["f".repeat(40)]).get("RKT_SIGNER"), "f".repeat(40));
});
