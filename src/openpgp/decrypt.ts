/**
 * Decrypting a message of OpenPGP while it comes. What is read is not protected yet: only when the source ends without an
 * error it was what somebody with the key has encrypted. So nothing of it is for use before that.
 */
import { createHash } from "node:crypto";
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { type ByteSource, firstBytes, prependedSource } from "../aci/bytes/source.ts";
import { concat } from "../linux/bytes.ts";
import { cfb } from "./cfb.ts";
import { Gatherer } from "./gatherer.ts";
import { literalData } from "./literal.ts";
import type { SessionKey } from "./session_key.ts";
import { type Packet, packetBytes, PacketReader, type Pull, wholeBody } from "./packets.ts";

/**
 * Finds the key of a message.
 *
 * @param packets those that have it, each for a recipient or a passphrase
 * @throws {Failure} where nobody here can
 */
export type FindSessionKey = (packets: Uint8Array<ArrayBuffer>) => Promise<SessionKey>;

/** So many packets with keys, and bytes of each, are looked at. */
const MOST_KEYS = 32;
const MOST_PASSPHRASES = 16;
const MOST_KEY_BYTES = 1 << 14;

const CIPHERS: Readonly<Record<string, number>> = { aes128: 16, aes192: 24, aes256: 32 };

/** `0xd3 0x14` and a SHA-1. */
const MDC = 22;
const PREFIX = 18;
const STEP = 1 << 18;
/** Room for what may be the MDC, so long that what stands behind it begins at a word. */
const FRONT = 24;

/** Whether bytes begin as a message that is encrypted: a packet with a key, or the data itself. */
export function isEncrypted(head: Uint8Array): boolean {
  const first = head[0] ?? 0;
  if ((first & 0x80) === 0) return false;
  // zstd's first byte would be an unknown packet; gzip, bzip2, xz and tar have no high bit.
  const tag = (first & 0x40) !== 0 ? first & 0x3f : (first >> 2) & 0xf;
  return [1, 3, 9, 18, 20].includes(tag);
}

/** A source as it is, or decrypted where it is encrypted. */
export async function decryptedIfNeeded(
  source: ByteSource,
  findKey: FindSessionKey,
): Promise<ByteSource> {
  const head = (await firstBytes(source, 1)).slice();
  const whole = prependedSource(head, source);
  return isEncrypted(head) ? await decrypted(whole, findKey) : whole;
}

/** A source, decrypted. */
export async function decrypted(source: ByteSource, findKey: FindSessionKey): Promise<ByteSource> {
  const { name } = source;
  const wrong = (why: string) => new ArchiveError(`${name}: can't be decrypted: ${why}`);
  const packets = new PacketReader(source, name);
  const keys: Uint8Array[] = [];
  let passphrases = 0;
  for (;;) {
    const packet = await packets.next();
    if (packet === undefined) throw wrong("there are no data in it");
    if (packet.tag === 1 || packet.tag === 3) {
      const body = await wholeBody(packet, MOST_KEY_BYTES);
      passphrases += packet.tag === 3 ? 1 : 0;
      if (body === undefined || keys.length === MOST_KEYS || passphrases > MOST_PASSPHRASES) {
        throw wrong("it has more for keys than any message needs");
      }
      keys.push(packetBytes(packet.tag, body));
    } else if (packet.tag === 10) await wholeBody(packet, 64); // a marker, which says nothing
    else if (packet.tag === 18 || packet.tag === 20) {
      const key = await findKey(concat(...keys));
      if (CIPHERS[key.algorithm] !== key.data.length) {
        throw wrong(`its cipher ${key.algorithm} is not AES`);
      }
      const plain = packet.tag === 18
        ? await integrityProtected(packet, key, wrong)
        : await (await import("./ocb_data.ts")).authenticated(packet, key, wrong);
      const data = await literalData(plain, name);
      return {
        name,
        async read() {
          const chunk = await data.read();
          // Whoever adds packets behind the data has changed the message.
          if (chunk === undefined && await packets.next() !== undefined) {
            throw wrong("something stands behind its end");
          }
          return chunk;
        },
        [Symbol.dispose]: () => source[Symbol.dispose](),
      };
    } else if (packet.tag === 9) {
      throw wrong("nothing protects it from being changed (no MDC); encrypt it anew");
    } else throw wrong(`a packet with the tag ${packet.tag} has no place in it`);
  }
}

/** The data of a packet, with the digest at their end compared when all was read. */
async function integrityProtected(
  packet: Packet,
  { data: key }: SessionKey,
  wrong: (why: string) => Error,
): Promise<Pull> {
  const body = new Gatherer(packet);
  const version = new Uint8Array(1);
  await body.fill(version);
  if (version[0] !== 1) throw wrong(`its form ${version[0]} is not that of gpg`);
  const cipher = cfb(key, "decrypt");
  const hash = createHash("sha1");
  // What may be the MDC stands in front of what comes next.
  const buffer = new Uint8Array(FRONT + STEP);
  let [from, end] = [FRONT, FRONT];
  let begun = false;
  let ended = false;
  const more = async (): Promise<Uint8Array | undefined> => {
    buffer.copyWithin(FRONT - MDC, end - MDC, end);
    from = FRONT - (end - from);
    const count = await body.fill(buffer.subarray(FRONT));
    end = FRONT + count;
    cipher.update(buffer.subarray(FRONT, end));
    ended = count < STEP;
    const open = buffer.subarray(from, Math.max(from, end - MDC));
    from += open.length;
    hash.update(open);
    if (ended) {
      cipher[Symbol.dispose]();
      const kept = buffer.subarray(from, end);
      hash.update(kept.subarray(0, 2));
      const digest = new Uint8Array(hash.digest());
      const same = kept.length === MDC && kept[0] === 0xd3 && kept[1] === 0x14 &&
        digest.every((byte, i) => byte === kept[i + 2]);
      if (!same) throw wrong("it was damaged or changed (its MDC is wrong)");
    }
    if (begun) return open;
    begun = true;
    if (open.length < PREFIX || open[14] !== open[16] || open[15] !== open[17]) {
      throw wrong("it was damaged or changed");
    }
    return open.subarray(PREFIX);
  };
  return {
    async read() {
      while (!ended) {
        const open = await more();
        if (open !== undefined && open.length > 0) return open;
      }
      return undefined;
    },
  };
}
