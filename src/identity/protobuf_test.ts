import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fieldsOf, message } from "./protobuf.ts";

Deno.test("message() writes fields as protoc does: key, length, bytes", () => {
  // The example of the encoding's documentation: field 2, "testing".
  strictEqual(message([2, "testing"]).toHex(), "120774657374696e67");
  strictEqual(message([1, Uint8Array.of(1)], [16, ""]).toHex(), "0a0101820100");
});

Deno.test("fieldsOf() reads what message() writes, also lengths of several bytes", () => {
  const long = new Uint8Array(300).fill(7);
  deepStrictEqual(fieldsOf(message([1, "a"], [3, long])), [[1, Uint8Array.of(97)], [3, long]]);
  deepStrictEqual(fieldsOf(new Uint8Array()), []);
});

Deno.test("fieldsOf() skips numbers", () => {
  // Field 1: varint 300; field 2: 8 bytes; field 3: "x"; field 4: 4 bytes.
  const bytes = Uint8Array.fromHex("08ac0211000000000000000" + "01a01782501020304");
  deepStrictEqual(fieldsOf(bytes), [[3, Uint8Array.of(120)]]);
});

const NONE: Readonly<Record<string, string>> = {
  "a length beyond the end": "0a05616263",
  "a number without an end": "0880",
  "a key without a length": "0a",
  "a group": "0b0c",
  "a number of eleven bytes": "08ffffffffffffffffffff01",
  "eight bytes, and seven are there": "1100000000000000",
};
for (const [what, hex] of Object.entries(NONE)) {
  Deno.test(`fieldsOf() takes no ${what}`, () => {
    strictEqual(fieldsOf(Uint8Array.fromHex(hex)), undefined);
  });
}
