/**
 * GnuPG's "OCB Encrypted Data" (tag 20, draft-koch-librepgp §5.16), which gpg 2.3 and later writes to keys that say so. Each
 * chunk has a tag, and is handed out only when that was right; a last tag is over how many bytes there were.
 */
import type { SessionKey } from "./session_key.ts";
import { Gatherer } from "./gatherer.ts";
import { Ocb, TAG } from "./ocb.ts";
import type { Packet, Pull } from "./packets.ts";

/** Version, cipher, mode, size of chunks. */
const HEAD = 4;
const NONCE = 15;
/** OCB's number. EAX, which is 1, nobody writes any more. */
const OCB = 2;
/** Two to the power of this and 6 are the bytes of a chunk: 4 MiB, which all implementations have to read. */
const MOST_POWER = 16;
/** As the cipher is called among the keys. */
const CIPHERS: Readonly<Record<number, string>> = { 7: "aes128", 8: "aes192", 9: "aes256" };

/** The data of a packet. */
export async function authenticated(
  packet: Packet,
  { algorithm, data: key }: SessionKey,
  wrong: (why: string) => Error,
): Promise<Pull> {
  const body = new Gatherer(packet);
  const head = new Uint8Array(HEAD + NONCE);
  if (await body.fill(head) < head.length) throw wrong("it ends too early");
  const [version = 0, cipher = 0, mode, power = 0] = head;
  if (version !== 1 || mode !== OCB) throw wrong("its form is not that of gpg");
  if (CIPHERS[cipher] !== algorithm) throw wrong("its key is for another cipher");
  if (power > MOST_POWER) {
    throw wrong(`its chunks have 2^${power + 6} bytes, and 4 MiB are the most`);
  }
  const size = 2 ** (power + 6);
  const ocb = new Ocb(key);
  // The tags of the last chunk and of the whole stand behind each other, so so much is looked at ahead.
  const buffer = new Uint8Array(size + 2 * TAG);
  let ahead = 0;
  let number = 0n;
  let total = 0n;
  let ended = false;
  const open = (bytes: Uint8Array<ArrayBuffer>, tag: Uint8Array, more: Uint8Array) => {
    const index = bigEndian(number);
    const nonce = head.slice(HEAD);
    index.forEach((byte, i) => nonce[NONCE - 8 + i] = (nonce[NONCE - 8 + i] ?? 0) ^ byte);
    const associated = Uint8Array.of(0xc0 | 20, ...head.subarray(0, HEAD), ...index, ...more);
    if (!ocb.open(nonce, associated, bytes, tag)) {
      throw wrong("it was damaged or changed (a tag of its chunks is wrong)");
    }
  };
  return {
    async read() {
      if (ended) return undefined;
      const fill = ahead + await body.fill(buffer.subarray(ahead));
      ended = fill < buffer.length;
      const count = ended ? fill - 2 * TAG : size;
      if (count < (ended ? -TAG : 1) || (count < 0 && count > -TAG) || count === 0) {
        throw wrong("it ends too early");
      }
      const chunk = buffer.slice(0, Math.max(count, 0));
      const behind = buffer.slice(count + TAG, fill);
      if (count > 0) {
        open(chunk, buffer.slice(count, count + TAG), new Uint8Array());
        number += 1n;
        total += BigInt(count);
      }
      if (ended) open(new Uint8Array(), behind, bigEndian(total));
      buffer.set(behind);
      ahead = behind.length;
      return chunk.length === 0 ? undefined : chunk;
    },
  };
}

function bigEndian(number: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, number);
  return bytes;
}
