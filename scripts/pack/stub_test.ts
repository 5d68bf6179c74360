import { deepStrictEqual } from "node:assert/strict";
import { assembleStub } from "./assemble.ts";
import { STUBS } from "./stub_bytes.ts";

for (const arch of ["x86_64", "aarch64"] as const) {
  Deno.test(`STUBS has the bytes that stub_${arch}.S assembles to`, async () => {
    deepStrictEqual(STUBS[arch].toHex(), (await assembleStub(arch)).toHex());
  });

  Deno.test(`STUBS ends ${arch} at the header's alignment`, () => {
    deepStrictEqual(STUBS[arch].length % 16, 0);
  });
}
