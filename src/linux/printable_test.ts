import assert from "node:assert/strict";
import { escapedInJson, printableLine, printableText } from "./printable.ts";

Deno.test("printableText() leaves what people write, in lines", () => {
  for (const text of ["", "a\tb\nc\n", "näive ☃ 漢字 שלום 👩‍👩‍👧"]) {
    assert.equal(printableText(text), text);
    assert.equal(escapedInJson(text), text);
  }
});

Deno.test("no character that a terminal obeys comes through", () => {
  const ranges: readonly (readonly [number, number])[] = [
    ...[[0, 8], [11, 31], [0x7f, 0x9f], [0x61c, 0x61c], [0x200e, 0x200f]] as const,
    ...[[0x2028, 0x202e], [0x2060, 0x2069], [0xfeff, 0xfeff], [0xd800, 0xdfff]] as const,
    ...[[0xe0000, 0xe007f]] as const,
  ];
  for (const [from, to] of ranges) {
    for (let code = from; code <= to; code++) {
      const text = `a${String.fromCodePoint(code)}b`;
      assert.equal(printableText(text), "a\ufffdb", code.toString(16));
      const json = escapedInJson(JSON.stringify(text));
      assert.equal(JSON.parse(json), text);
      assert.equal(printableText(json), json, code.toString(16));
    }
  }
  assert.equal(printableLine("a\nb\tc"), "a\ufffdb\ufffdc");
});
