import assert from "node:assert/strict";
import { BulkOutput } from "./bulk_output.ts";

Deno.test("BulkOutput gives on every byte in its order, in few pieces", () => {
  const pieces: string[] = [];
  const output = new BulkOutput((bytes) => pieces.push(new TextDecoder("latin1").decode(bytes)));
  let expected = "";
  for (let i = 0; i < 3000; i++) {
    output.text(`${i} `);
    const line = "x".repeat(i % 100) + "\xff\n";
    output.bytes(Uint8Array.from(line, (character) => character.charCodeAt(0)));
    expected += `${i} ${line}`;
  }
  const large = "y".repeat(100_000);
  output.bytes(new TextEncoder().encode(large));
  assert.equal(pieces.join(""), expected + large);
  assert.ok(pieces.length <= 2 + Math.ceil(expected.length / 60_000), `${pieces.length}`);
  output.text("end\x1b[2J\n");
  assert.ok(!pieces.at(-1)?.includes("end"));
  output.flush();
  output.flush();
  assert.equal(pieces.join(""), `${expected}${large}end\xef\xbf\xbd[2J\n`);
});
