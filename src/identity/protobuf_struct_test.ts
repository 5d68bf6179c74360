import { strictEqual } from "node:assert/strict";
import { structMessage } from "./protobuf_struct.ts";

const KINDS: Readonly<Record<string, readonly [value: unknown, hex: string]>> = {
  "a text": ["b", "1a0162"],
  "a number": [1.5, "11000000000000f83f"],
  "true": [true, "2001"],
  "false": [false, "2000"],
  "null": [null, "0800"],
  "a list": [["b", 0], "3210" + "0a031a0162" + "0a09110000000000000000"],
  "an object": [{ c: "d" }, "2a0a" + "0a080a0163" + "12031a0164"],
};
for (const [what, [value, hex]] of Object.entries(KINDS)) {
  // A map is a repeated message of a key (1) and a value (2).
  const size = hex.length / 2;
  const byte = (number: number) => number.toString(16).padStart(2, "0");
  Deno.test(`structMessage() writes ${what} as protoc does`, () => {
    const entry = `0a0161` + `12${byte(size)}${hex}`;
    strictEqual(structMessage({ a: value }).toHex(), `0a${byte(entry.length / 2)}${entry}`);
  });
}

Deno.test("structMessage() leaves out what JSON leaves out", () => {
  strictEqual(structMessage({ a: undefined }).toHex(), "");
});
