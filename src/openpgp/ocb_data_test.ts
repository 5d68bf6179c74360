import assert from "node:assert/strict";
import * as openpgp from "openpgp";
import { bytesSource } from "../aci/bytes/source.ts";
import { concat } from "../linux/bytes.ts";
import { decrypted } from "./decrypt.ts";
import { packetBytes } from "./packets.ts";

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
