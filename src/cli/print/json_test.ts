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
