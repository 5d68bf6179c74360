import assert from "node:assert/strict";
import { encodeHeaders, HpackDecoder, HpackError } from "./hpack.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

Deno.test("HpackDecoder reads the requests of RFC 7541, C.4, one after the other", () => {
  const decoder = new HpackDecoder();
  const base = [[":method", "GET"], [":scheme", "http"], [":path", "/"]];
  const authority = [":authority", "www.example.com"];
  assert.deepEqual(decoder.decode(bytes("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff")), [
    ...base,
    authority,
  ]);
  assert.deepEqual(decoder.decode(bytes("8286 84be 5886 a8eb 1064 9cbf")), [
    ...base,
    authority,
    ["cache-control", "no-cache"],
  ]);
  const third = "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf";
  assert.deepEqual(decoder.decode(bytes(third)), [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    authority,
    ["custom-key", "custom-value"],
  ]);
});

Deno.test("HpackDecoder reads texts that are not packed, and keeps none that are not to be kept", () => {
  const decoder = new HpackDecoder();
  assert.deepEqual(decoder.decode(bytes("040c 2f73 616d 706c 652f 7061 7468")), [
    [":path", "/sample/path"],
  ]);
  assert.throws(() => decoder.decode(bytes("be")), HpackError);
});

Deno.test("the table forgets what has no room", () => {
  const decoder = new HpackDecoder();
  const long = "x".repeat(1500);
  const literal = (name: string) => {
    const [, ...rest] = encodeHeaders([[name, long]]);
    return Uint8Array.from([0x40, ...rest]);
  };
  for (const name of ["a", "b", "c"]) decoder.decode(literal(name));
  assert.deepEqual(decoder.decode(bytes("be bf")).map(([name]) => name), ["c", "b"]);
  assert.throws(() => decoder.decode(bytes("c0")), HpackError);
  decoder.decode(bytes("20"));
  assert.throws(() => decoder.decode(bytes("be")), HpackError);
});

Deno.test("what is encoded is decoded", () => {
  const headers = [[":status", "200"], ["grpc-message", "é".repeat(200)], ["", ""]] as const;
  const decoded = new HpackDecoder().decode(encodeHeaders(headers));
  const text = (each: string) =>
    new TextDecoder().decode(Uint8Array.from(each, (c) => c.charCodeAt(0)));
  assert.deepEqual(decoded.map((each) => each.map(text)), headers);
});

for (
  const [what, hex] of [
    ["number 0 of the table", "80"],
    ["a number of the table that is not there", "ff ff 7f"],
    ["a number without an end", "ff ff ff ff ff ff ff"],
    ["a text that is longer than the block", "00 05 61"],
    ["no value", "00 01 61"],
    ["a table that is too large", "3f e2 1f"],
    ["a change of the table behind a header", "82 20"],
    ["padding of zeros", "00 01 61 81 00"],
    ["padding of a byte", "00 01 61 82 1f ff"],
    ["a code that stands for nothing", "00 01 61 84 ff ff ff ff"],
  ] as const
) {
  Deno.test(`HpackDecoder refuses ${what}`, () => {
    assert.throws(() => new HpackDecoder().decode(bytes(hex)), HpackError);
  });
}
