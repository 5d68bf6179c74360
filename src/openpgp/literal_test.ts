import { deepStrictEqual, rejects } from "node:assert/strict";
import { concat } from "../linux/bytes.ts";
import { literalData } from "./literal.ts";

/** A packet of the new format with a length of one or five bytes (RFC 9580 §4.2.1). */
function packet(tag: number, body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const length = new Uint8Array(5);
  length[0] = 255;
  new DataView(length.buffer).setUint32(1, body.length);
  return concat(Uint8Array.of(0xc0 | tag), length, body);
}

const bytes = (text: string) => new TextEncoder().encode(text);
const literal = (text: string, name = "name") =>
  packet(
    11,
    concat(bytes("b"), Uint8Array.of(name.length), bytes(name), new Uint8Array(4), bytes(text)),
  );

async function compressed(format: CompressionFormat, data: Uint8Array<ArrayBuffer>) {
  const stream = new Response(data).body?.pipeThrough(new CompressionStream(format));
  return await new Response(stream ?? null).bytes();
}

/** The file in a message that comes in pieces of some bytes. */
async function fileIn(message: Uint8Array<ArrayBuffer>, size: number): Promise<string> {
  let at = 0;
  const pull = await literalData({
    read: () => {
      const part = message.slice(at, at += size);
      return Promise.resolve(part.length > 0 ? part : undefined);
    },
  }, "m");
  let text = "";
  for (let part = await pull.read(); part; part = await pull.read()) {
    text += new TextDecoder().decode(part);
  }
  return text;
}

Deno.test("literalData() finds the file, compressed in each way or not, in pieces of any size", async () => {
  const plain = literal("the file");
  const messages = [
    plain,
    literal("the file", ""),
    packet(8, concat(Uint8Array.of(0), plain)),
    packet(8, concat(Uint8Array.of(1), await compressed("deflate-raw", plain))),
    packet(8, concat(Uint8Array.of(2), await compressed("deflate", plain))),
  ];
  for (const message of messages) {
    for (const size of [1, 7, 1000]) deepStrictEqual(await fileIn(message, size), "the file");
  }
});

const WRONG: Readonly<Record<string, readonly [Uint8Array<ArrayBuffer>, RegExp]>> = {
  "nothing": [new Uint8Array(), /there is nothing in it/],
  "two files": [concat(literal("a"), literal("b")), /more than one file/],
  "another packet": [packet(18, bytes("x")), /it is no file \(a packet with the tag 18\)/],
  "a name that is cut off": [packet(11, bytes("b\x09na")), /ends too early/],
  "an unknown compression": [packet(8, Uint8Array.of(9)), /its compression 9 is unknown/],
  "an empty compression": [packet(8, new Uint8Array()), /ends too early/],
  "damage": [packet(8, concat(Uint8Array.of(1), bytes("\xff\xff"))), /damaged/],
  "no file in a compression": [
    packet(8, concat(Uint8Array.of(0), packet(18, bytes("x")))),
    /what is compressed in it is no file/,
  ],
  "a packet behind a compression": [
    concat(packet(8, concat(Uint8Array.of(0), literal("a"))), literal("b")),
    /more than one file/,
  ],
};
for (const [what, [message, why]] of Object.entries(WRONG)) {
  Deno.test(`literalData() refuses ${what}`, async () => {
    await rejects(fileIn(message, 1000), why);
  });
}
