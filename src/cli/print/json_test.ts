import assert from "node:assert/strict";
import { jsonText, nanoseconds } from "./json.ts";

const VALUE = {
  a: [1, { b: "<&>" }],
  c: {},
  d: [],
  e: undefined,
  f: nanoseconds(1795310323618),
  g: null,
};

Deno.test("jsonText() writes one line like Go", () => {
  assert.equal(
    jsonText(VALUE, false),
    '{"a":[1,{"b":"\\u003c\\u0026\\u003e"}],"c":{},"d":[],"f":1795310323618000000,"g":null}',
  );
});

Deno.test("jsonText() indents with tabs like Go", () => {
  assert.equal(
    jsonText({ a: [1, { b: true }], c: {} }, true),
    '{\n\t"a": [\n\t\t1,\n\t\t{\n\t\t\t"b": true\n\t\t}\n\t],\n\t"c": {}\n}',
  );
});

Deno.test("jsonText() has no character in it that a terminal obeys", () => {
  const text = "\u0007\u001b[2J\u007f\u009b\u202e\u2028\ufeff\u{e0001}\ud800";
  const json = jsonText({ [text]: text }, false);
  // deno-lint-ignore no-control-regex -- that is what must not be there
  assert.doesNotMatch(json, /[\x00-\x1f\x7f-\x9f\u202e\u2028\ufeff\ud800-\udfff]/);
  assert.match(json, /\\u009b\\u202e\\u2028\\ufeff\\udb40\\udc01\\ud800/);
  assert.deepEqual(JSON.parse(json), { [text]: text });
});
