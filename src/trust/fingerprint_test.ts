import assert from "node:assert/strict";
import { groupedFingerprint, isFingerprint, parseFingerprint } from "./fingerprint.ts";

const PEER = "1ede0f916019e7d9818a117b1805b2de51e145df";

Deno.test("parseFingerprint() reads what gpg prints and people paste", () => {
  for (const text of [PEER, PEER.toUpperCase(), `0x${PEER}`, groupedFingerprint(PEER)]) {
    assert.equal(parseFingerprint(text), PEER);
  }
});

Deno.test("parseFingerprint() refuses key IDs, as they can be forged", () => {
  for (const text of ["", "51E145DF", "1805B2DE51E145DF", `${PEER}0`, "../../etc/passwd"]) {
    assert.throws(() => parseFingerprint(text), /is not a fingerprint/);
  }
});

Deno.test("isFingerprint() takes only the spelling of file names", () => {
  assert.equal(isFingerprint(PEER), true);
  assert.equal(isFingerprint("a".repeat(64)), true);
  assert.equal(isFingerprint(PEER.toUpperCase()), false);
});

Deno.test("groupedFingerprint() prints as gpg does", () => {
  assert.equal(groupedFingerprint(PEER), "1EDE 0F91 6019 E7D9 818A  117B 1805 B2DE 51E1 45DF");
});
