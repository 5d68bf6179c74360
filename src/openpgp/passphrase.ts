/** Session keys of passphrases: "String-to-Key" (RFC 9580 §3.7.1.3) and packets of symmetric session keys (§5.3.1). */
import { createHash } from "node:crypto";
import { concat } from "../linux/bytes.ts";
import { cfb } from "./cfb.ts";
import { Ocb, TAG } from "./ocb.ts";
import type { SessionKey } from "./session_key.ts";

/** RFC 9580 §9.3: those that are AES, and bytes of their keys. */
const CIPHERS: Readonly<Record<number, readonly [name: string, bytes: number]>> = {
  7: ["aes128", 16],
  8: ["aes192", 24],
  9: ["aes256", 32],
};
/** RFC 9580 §9.5. */
const HASHES: Readonly<Record<number, string>> = {
  2: "sha1",
  8: "sha256",
  9: "sha384",
  10: "sha512",
  11: "sha224",
};

/** The number of the mode; bytes of its nonce. */
const [OCB, NONCE] = [2, 15];
const ITERATED = 3;
const SALT = 8;
/** Bytes that are hashed at a time. */
const STEP = 1 << 16;

/**
 * The session key that a packet has for a passphrase.
 *
 * @param body of a packet with the tag 3
 * @returns undefined where the passphrase is another one, mostly, and for packets of other kinds than gpg's
 */
export function sessionKeyOf(body: Uint8Array, passphrase: string): SessionKey | undefined {
  const [version, algorithm = 0, mode] = body;
  const cipher = CIPHERS[algorithm];
  if (cipher === undefined) return undefined;
  if (version === 5 && mode === OCB) return authenticatedKey(body, cipher, passphrase);
  if (version !== 4) return undefined;
  const specified = keyOf(body.subarray(2), passphrase, cipher[1]);
  if (specified === undefined) return undefined;
  const { key, rest: encrypted } = specified;
  if (encrypted.length === 0) return { algorithm: cipher[0], data: key };
  using decryption = cfb(key, "decrypt");
  decryption.update(encrypted);
  const inner = CIPHERS[encrypted[0] ?? 0];
  const data = encrypted.subarray(1);
  return inner?.[1] === data.length ? { algorithm: inner[0], data } : undefined;
}

/**
 * GnuPG's form for OCB: the session key is encrypted by OCB itself (draft-koch-librepgp §5.3). There the right passphrase is
 * known as such.
 */
function authenticatedKey(
  body: Uint8Array,
  [algorithm, size]: readonly [string, number],
  passphrase: string,
): SessionKey | undefined {
  const specified = keyOf(body.subarray(3), passphrase, size);
  if (specified?.rest.length !== NONCE + size + TAG) return undefined;
  const { key, rest } = specified;
  const data = rest.slice(NONCE, -TAG);
  const associated = Uint8Array.of(0xc3, ...body.subarray(0, 3));
  const isRight = new Ocb(key).open(rest.slice(0, NONCE), associated, data, rest.slice(-TAG));
  return isRight ? { algorithm, data } : undefined;
}

/**
 * The key that a passphrase stands for.
 *
 * @param specifier of the kind "iterated and salted", and what stands behind it
 */
function keyOf(
  specifier: Uint8Array,
  passphrase: string,
  size: number,
): { readonly key: Uint8Array; readonly rest: Uint8Array<ArrayBuffer> } | undefined {
  const [kind, hash = 0] = specifier;
  const [hashName, coded] = [HASHES[hash], specifier[2 + SALT]];
  if (kind !== ITERATED || hashName === undefined || coded === undefined) return undefined;
  const count = (16 + (coded & 15)) * 2 ** ((coded >> 4) + 6);
  const text = concat(specifier.subarray(2, 2 + SALT), new TextEncoder().encode(passphrase));
  return { key: iterated(hashName, text, count, size), rest: specifier.slice(3 + SALT) };
}

/** Hashes the same text again and again, until so many bytes were hashed; for a longer key with zeros in front. */
function iterated(hashName: string, text: Uint8Array, count: number, size: number): Uint8Array {
  const repeated = concat(...Array.from({ length: Math.ceil(STEP / text.length) }, () => text));
  const parts: Uint8Array[] = [];
  for (let length = 0; length < size;) {
    const hash = createHash(hashName).update(new Uint8Array(parts.length));
    for (let left = Math.max(count, text.length); left > 0; left -= repeated.length) {
      hash.update(repeated.subarray(0, left));
    }
    const digest = new Uint8Array(hash.digest());
    parts.push(digest);
    length += digest.length;
  }
  return concat(...parts).slice(0, size);
}
