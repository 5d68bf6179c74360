import assert from "node:assert/strict";
import * as openpgp from "openpgp";
import { bytesSource } from "../aci/bytes/source.ts";
import { concat } from "../linux/bytes.ts";
import { decrypted } from "./decrypt.ts";
import { packetBytes } from "./packets.ts";
import { sessionKeyOf } from "./passphrase.ts";

const KEY = crypto.getRandomValues(new Uint8Array(32));
const NAMES = { 16: "aes128", 24: "aes192", 32: "aes256" } as const;

/** A message with tag 20 that openpgp.js has made, with chunks of two to the power of this and 6 bytes. */
async function message(
  plain: Uint8Array,
  power: number,
  key = KEY,
): Promise<Uint8Array<ArrayBuffer>> {
  const { AEADEncryptedDataPacket, LiteralDataPacket, PacketList, enums, config } = openpgp;
  const literal = new LiteralDataPacket();
  Reflect.get(literal, "setBytes").call(literal, plain, enums.literal.binary);
  const packet = new AEADEncryptedDataPacket();
  const list = new PacketList<openpgp.LiteralDataPacket>();
  list.push(literal);
  const algorithm = NAMES[key.length === 16 ? 16 : key.length === 24 ? 24 : 32];
  Object.assign(packet, {
    packets: list,
    cipherAlgorithm: enums.symmetric[algorithm],
    aeadAlgorithm: enums.aead.ocb,
    chunkSizeByte: power,
  });
  await Reflect.get(packet, "encrypt").call(packet, enums.symmetric[algorithm], key, {
    ...config,
    aeadChunkSizeByte: power,
    preferredAEADAlgorithm: enums.aead.ocb,
  });
  const all = new PacketList<openpgp.AEADEncryptedDataPacket>();
  all.push(packet);
  return await whole(all.write());
}

/** All bytes of what the library calls a stream. */
async function whole(stream: unknown): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof stream !== "object" || stream === null) throw new TypeError("no stream");
  const reader = Reflect.get(stream, "getReader").call(stream);
  const parts = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concat(...parts);
    parts.push(value);
  }
}

async function opened(bytes: Uint8Array, key = KEY): Promise<Uint8Array> {
  const algorithm = NAMES[key.length === 16 ? 16 : key.length === 24 ? 24 : 32];
  using source = await decrypted(
    bytesSource("m", bytes, 1000),
    () => Promise.resolve({ algorithm, data: key }),
  );
  const parts = [];
  for (let part = await source.read(); part !== undefined; part = await source.read()) {
    parts.push(part.slice());
  }
  return concat(...parts);
}

Deno.test("gpg's form OCB as openpgp.js writes it: each size, each AES", async () => {
  for (const size of [0, 1, 55, 56, 57, 64, 120, 1000, 4096, 65_000]) {
    const plain = crypto.getRandomValues(new Uint8Array(size));
    for (const power of [0, 4]) {
      assert.deepEqual(await opened(await message(plain, power)), plain, `${size} bytes, ${power}`);
    }
  }
  for (const size of [16, 24]) {
    const key = crypto.getRandomValues(new Uint8Array(size));
    assert.deepEqual(
      await opened(await message(Uint8Array.of(1, 2), 0, key), key),
      Uint8Array.of(1, 2),
    );
  }
});

Deno.test("a message that was changed anywhere, cut or put together in another way is refused", async () => {
  const plain = crypto.getRandomValues(new Uint8Array(200));
  const good = await message(plain, 0);
  // The packet's header has two bytes of length behind its tag.
  const body = good.slice(3);
  for (let i = 0; i < body.length; i++) {
    const bad = packetBytes(20, body.with(i, (body[i] ?? 0) ^ 1));
    await assert.rejects(opened(bad), /can't be decrypted|no sound OpenPGP/, `byte ${i}`);
  }
  for (let size = 0; size < body.length; size++) {
    await assert.rejects(
      opened(packetBytes(20, body.slice(0, size))),
      /can't be decrypted/,
      `${size} bytes`,
    );
  }
  const [head, chunk] = [body.slice(0, 19), 64 + 16];
  const at = (i: number) => body.slice(19 + i * chunk, 19 + (i + 1) * chunk);
  const rest = body.slice(19 + 2 * chunk);
  const arrangements = {
    swapped: concat(head, at(1), at(0), rest),
    twice: concat(head, at(0), at(0), at(1), rest),
    "without the first": concat(head, at(1), rest),
    "without the last": concat(head, at(0), at(1), body.slice(-16)),
    "with more behind": concat(body, new Uint8Array(16)),
  };
  for (const [what, bad] of Object.entries(arrangements)) {
    await assert.rejects(opened(packetBytes(20, bad)), /can't be decrypted/, what);
  }
  await assert.rejects(
    opened(concat(packetBytes(20, body), packetBytes(10, new Uint8Array(3)))),
    /behind its end/,
  );
  await assert.rejects(opened(packetBytes(20, body.with(3, 17))), /4 MiB are the most/);
  await assert.rejects(opened(packetBytes(20, body.with(2, 1))), /form is not that of gpg/);
});

/**
 * What gpg 2.4.7 of Debian 13 has made of 20 lines: `gpg --passphrase 'öpen sesame' --s2k-count 70000 --force-ocb --chunk-size 6
 * --compress-algo none --symmetric`. Debian 12's cannot.
 */
const GPG_24 = Uint8Array.fromBase64(
  "jE0FCQIDCgmMdGRBc8TWYqJXVnBQnjpAUG1q+K6mzAbF6pv9XLEODnZhBs0TMog1qyRWbw5RyG99+P5+PlLmUFTO" +
    "6iIgNwu68hLKPJiAxtTBJQEJAgDi+j6YyhZ3OSuZsFOK4FyBc3HaBxh5GUVKLYLupr3HsRY7tfpP8UDZ3f0sIb4y" +
    "KLPWok9hUEsRqlXaoJWwS9u3x5xih8qmg0WbLK1GsiltmT2Xi4LQmyTjpCcq9sS7T0nWd2v51iRgSwRaHbtYUWZ6" +
    "wvgzBilxYM8S8r7ljM9mnfM3l1F3GrC9JPvoil/vK4CH0V0+YlWvYQCCjqbxpuA5wfSzjkXPBp7NAfzNw+srjQKO" +
    "vu8P8NU3ieRu8qLKYD7wLTMD/WEC47tA870S8nW6xHFPczERfMg5iRA/ftnVSCXldYSaA1JDNfi0bIICGRdVtfli" +
    "dU084KJ5mVXWMsf7ZXNxyDVBbITDAFTADp8cLYmeVcKT6Vn/oZEk56lUSEv6XN1Rksu6E0KnjQ92yFbzvzg2DpE1" +
    "eSCHlkoGYNdPc8BfAyxcN7SbRFRWF0GLxY0GO6grkEsfNIpyEYihg2Z+LjF3Sdr6+dTNVBZHaBN9aNYOPtjtlK/l" +
    "GBkJUDF9NmWXZhz3ejGlc99ft0ylrA+DRlJKsPzYxEF/NjxsnCP2d7Az5SjU634t2fHyQAB0KGQG1fDRFxpuLVYE" +
    "u28HLNG9ZfueMLOjuGRwe4DbHwaOym00FyrhvySttj2btMs3ETz3",
);

const byPassphrase = (bytes: Uint8Array<ArrayBuffer>, passphrase: string) =>
  decrypted(bytesSource("m", bytes, 100), (packets) => {
    // The packet has six bytes of header here.
    const key = sessionKeyOf(packets.slice(6), passphrase);
    return key === undefined ? Promise.reject(new Error("another one")) : Promise.resolve(key);
  });

Deno.test("what gpg 2.4 encrypts by OCB to a passphrase is read; another passphrase is known as such", async () => {
  using source = await byPassphrase(GPG_24, "öpen sesame");
  const parts = [];
  for (let part = await source.read(); part !== undefined; part = await source.read()) {
    parts.push(part.slice());
  }
  assert.equal(new TextDecoder().decode(concat(...parts)), "0123456789abcdef\n".repeat(20));
  await assert.rejects(byPassphrase(GPG_24, "close sesame"), /another one/);
  // The packet with the key: its version, cipher, mode, salt, nonce, key and tag.
  for (let at = 2; at < 2 + (GPG_24[1] ?? 0); at++) {
    const changed = GPG_24.with(at, (GPG_24[at] ?? 0) ^ 1);
    await assert.rejects(byPassphrase(changed, "öpen sesame"), /another one|message/, `byte ${at}`);
  }
});
