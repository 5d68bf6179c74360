import assert from "node:assert/strict";
import { bytesSource } from "../aci/bytes/source.ts";
import { concat } from "../linux/bytes.ts";
import { cfb } from "./cfb.ts";
import { decrypted } from "./decrypt.ts";
import { encryptMessage } from "./encrypt.ts";
import { packetBytes } from "./packets.ts";

const KEY = crypto.getRandomValues(new Uint8Array(32));
const PLAIN = crypto.getRandomValues(new Uint8Array(700));

/** A message, without a packet for its key. */
async function message(plain: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  await encryptMessage(
    bytesSource("plain", plain),
    { key: KEY, packets: new Uint8Array() },
    (bytes) => void parts.push(bytes.slice()),
  );
  return concat(...parts);
}

async function opened(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  using source = await decrypted(
    bytesSource("m", bytes, 100),
    () => Promise.resolve({ algorithm: "aes256", data: KEY }),
  );
  const parts = [];
  for (let part = await source.read(); part !== undefined; part = await source.read()) {
    parts.push(part.slice());
  }
  return concat(...parts);
}

Deno.test("a message is what it was, whatever its size", async () => {
  for (const size of [0, 1, 15, 16, 500, 65_536]) {
    const plain = crypto.getRandomValues(new Uint8Array(size));
    assert.deepEqual(await opened(await message(plain)), plain, `${size} bytes`);
  }
});

Deno.test("a message that was changed or cut at any byte is refused", async () => {
  const good = await message(PLAIN);
  const why = /can't be decrypted|no sound OpenPGP message/;
  for (let at = 0; at < good.length; at++) {
    await assert.rejects(opened(good.with(at, (good[at] ?? 0) ^ 1)), why, `byte ${at}`);
    await assert.rejects(opened(good.slice(0, at)), why, `${at} bytes`);
  }
  await assert.rejects(opened(concat(good, packetBytes(11, Uint8Array.of(0x62, 0)))), /behind/);
  await assert.rejects(opened(concat(good, good)), /behind/);
});

/** A packet with the tag 18, whose digest is right, around these packets. */
async function around(packets: Uint8Array, tag = 18): Promise<Uint8Array<ArrayBuffer>> {
  const prefix = new Uint8Array(18);
  const open = concat(prefix, packets, Uint8Array.of(0xd3, 0x14));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", open));
  const body = concat(open, digest);
  using cipher = cfb(KEY, "encrypt");
  cipher.update(body);
  return packetBytes(tag, concat(Uint8Array.of(1), body));
}

const literal = packetBytes(11, concat(Uint8Array.of(0x62, 0, 0, 0, 0, 0), PLAIN));

/** What is well encrypted, and all the same no image. */
const INSIDE: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["nothing", new Uint8Array(), /no sound|can't be decrypted/],
  ["two files", concat(literal, literal), /can't be decrypted|no sound/],
  ["a message in a message", packetBytes(18, Uint8Array.of(1, 2, 3)), /can't be|no sound/],
  [
    "a signature in front",
    concat(packetBytes(2, new Uint8Array(20)), literal),
    /can't be|no sound/,
  ],
  ["a key in front", concat(packetBytes(1, new Uint8Array(20)), literal), /can't be|no sound/],
  ["a packet that is cut", literal.slice(0, -1), /ends too early|can't be/],
  ["no packet", PLAIN.map((byte) => byte & 0x7f), /no sound|can't be/],
];
for (const [what, packets, why] of INSIDE) {
  Deno.test(`a message with ${what} inside is refused`, async () => {
    assert.deepEqual(await opened(await around(literal)), PLAIN);
    await assert.rejects(opened(await around(packets)), why);
  });
}

Deno.test("a message that nothing protects, of another version or with another tag is refused", async () => {
  const good = await around(literal);
  await assert.rejects(opened(await around(literal, 9)), /no MDC/);
  await assert.rejects(opened(good.with(6, 2)), /its form 2 is not that of gpg/);
  for (const tag of [2, 5, 6, 8, 11, 12, 13, 19, 63]) {
    await assert.rejects(opened(await around(literal, tag)), /has no place in it/, `tag ${tag}`);
  }
});
