import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { metalinkText, PIECE, PieceDigests } from "./metalink.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

Deno.test("PieceDigests has a digest for each piece, however the bytes come", () => {
  const bytes = randomBytes(2 * PIECE + 5);
  const expected = [0, PIECE, 2 * PIECE].map((at) => sha256(bytes.subarray(at, at + PIECE)));
  for (const step of [bytes.length, PIECE, 700_001]) {
    const pieces = new PieceDigests(() => createHash("sha256"));
    for (let at = 0; at < bytes.length; at += step) pieces.update(bytes.subarray(at, at + step));
    assert.deepEqual(pieces.end(), expected, `${step} bytes at once`);
  }
});

Deno.test("PieceDigests makes no piece of nothing, and none behind a whole one", () => {
  const none = new PieceDigests(() => createHash("sha256"));
  none.update(new Uint8Array(0));
  assert.deepEqual(none.end(), []);
  const whole = new PieceDigests(() => createHash("sha256"));
  whole.update(new Uint8Array(PIECE));
  assert.deepEqual(whole.end(), [sha256(new Uint8Array(PIECE))]);
});

Deno.test("metalinkText() has mirrors in their order, and escapes what XML would read", () => {
  const text = metalinkText({
    name: 'a&"b".aci',
    size: 7,
    digests: ["00ff"],
    urls: ["https://a.example.com/x?y&z", "https://b.example.com/<x>"],
  });
  assert.match(text, /<file name="a&amp;&quot;b&quot;.aci">/);
  assert.match(text, /<url priority="1">https:\/\/a.example.com\/x\?y&amp;z<\/url>/);
  assert.match(text, /<url priority="2">https:\/\/b.example.com\/&lt;x&gt;<\/url>/);
  assert.match(text, /<size>7<\/size>[^]*<pieces length="1048576" type="sha-256">\n<hash>00ff</);
});
