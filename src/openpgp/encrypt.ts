/**
 * Encrypting a file as a message of OpenPGP: session keys, then the packet that every implementation reads (version 1 of "Symmetrically
 * Encrypted and Integrity Protected Data", RFC 9580 §5.13.1), AES-256.
 */
import { createHash } from "node:crypto";
import type { ByteSource } from "../aci/bytes/source.ts";
import { cfb } from "./cfb.ts";
import { PartialBody } from "./packets.ts";

/** Bytes that are encrypted at a time: a multiple of the cipher's block. */
const STEP = 1 << 18;

/** Who may decrypt. */
export interface SessionKeyPackets {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** The packets that have it, each for a recipient or a passphrase. */
  readonly packets: Uint8Array;
}

/** Writes a source as an encrypted message. Disposes the source. */
export async function encryptMessage(
  source: ByteSource,
  { key, packets }: SessionKeyPackets,
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  using bytes = source;
  write(packets);
  const outer = new PartialBody(18, write);
  outer.push(Uint8Array.of(1));
  using cipher = cfb(key, "encrypt");
  const hash = createHash("sha1");
  const buffer = new Uint8Array(STEP);
  let fill = 0;
  const encrypt = (plain: Uint8Array) => {
    for (let at = 0; at < plain.length;) {
      const taken = plain.subarray(at, at + STEP - fill);
      buffer.set(taken, fill);
      fill += taken.length;
      at += taken.length;
      if (fill === STEP) {
        cipher.update(buffer);
        outer.push(buffer);
        fill = 0;
      }
    }
  };
  const protectedBytes = (plain: Uint8Array) => {
    hash.update(plain);
    encrypt(plain);
  };
  // Random, and its end twice.
  const prefix = new Uint8Array(18);
  crypto.getRandomValues(prefix.subarray(0, 16));
  prefix.set(prefix.subarray(14, 16), 16);
  protectedBytes(prefix);
  const literal = new PartialBody(11, protectedBytes);
  literal.push(Uint8Array.of("b".charCodeAt(0), 0, 0, 0, 0, 0)); // binary, no name, no time
  for (let chunk = await bytes.read(); chunk !== undefined; chunk = await bytes.read()) {
    literal.push(chunk);
  }
  literal.end();
  protectedBytes(Uint8Array.of(0xd3, 0x14));
  encrypt(hash.digest());
  const last = buffer.subarray(0, fill);
  cipher.update(last);
  outer.push(last);
  outer.end();
}
