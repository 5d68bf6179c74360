import assert from "node:assert/strict";
import { bytesOf, byteString, byteStringOfText, shown } from "./byte_string.ts";

Deno.test("byteString() and bytesOf() keep every byte", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(bytesOf(byteString(bytes)), bytes);
  assert.equal(byteString(bytes, 65, 68), "ABC");
});

Deno.test("byteStringOfText() gives the bytes of UTF-8", () => {
  assert.equal(byteStringOfText("plain"), "plain");
  assert.equal(byteStringOfText("é"), "\xc3\xa9");
});

Deno.test("shown() shows UTF-8 as text and escapes what could disturb a terminal", () => {
  assert.equal(shown("\xc3\xa9"), '"é"');
  assert.equal(shown("\xff"), '"ÿ"');
  assert.equal(shown("a\n\x1b[31m\0\x7f"), String.raw`"a\n\u001b[31m\u0000\u007f"`);
  assert.equal(shown(byteStringOfText("\u202eabc\u2028")), String.raw`"\u202eabc\u2028"`);
  assert.equal(shown("\x9b1m"), String.raw`"\u009b1m"`);
  assert.equal(shown("x".repeat(500)), `"${"x".repeat(200)}…"`);
});
