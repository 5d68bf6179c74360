/** Signing a file by a key of OpenPGP in a file, and making such keys. The bytes are hashed by node:crypto. */
import type * as OpenPgp from "openpgp";
import { Failure } from "../failure.ts";
import { openPgp, plain } from "./public_key.ts";
import { trailer } from "./signature.ts";

/** A secret key, ready to sign. */
export interface SecretKey {
  readonly fingerprint: string;
  readonly identities: readonly string[];
  readonly created: Date;
  readonly handle: OpenPgp.PrivateKey;
}

/** The most bytes of a file with a secret. */
export const MAX_SECRET_BYTES = 1 << 20;

/** SHA-512's number (RFC 9580 §9.5). */
const SHA512 = 10;

/** A signature of a file (RFC 9580 §5.2.1). */
const BINARY = 0;

/**
 * Reads an armoured secret key.
 *
 * @param where for the error
 * @throws {Failure} where it is none, or needs a passphrase
 */
export async function readSecretKey(armoured: string, where: string): Promise<SecretKey> {
  const { readPrivateKey } = await openPgp();
  try {
    const handle = await readPrivateKey({ armoredKey: armoured });
    if (!handle.isDecrypted()) {
      throw new Error("it is protected by a passphrase; gpg asks for that: import it there");
    }
    return {
      fingerprint: handle.getFingerprint(),
      identities: handle.getUserIDs(),
      created: handle.getCreationTime(),
      handle,
    };
  } catch (error) {
    throw new Failure(`key ${where}: ${plain(error)}`, 254, { cause: error });
  }
}

/** Makes a key of Ed25519 without a passphrase, which signs and which others can encrypt to; armoured. */
export async function generateKey(
  identity: { readonly name?: string; readonly email?: string },
): Promise<string> {
  const { generateKey } = await openPgp();
  const { privateKey } = await generateKey({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: [identity],
    format: "armored",
  });
  return privateKey;
}

/**
 * Makes an armoured detached signature.
 *
 * @param digest starts the SHA-512 of the file's bytes, to which a few more are added
 */
export async function signDigest(
  key: SecretKey,
  digest: { copy(): { update(bytes: Uint8Array): { digest(): Uint8Array } } },
  now = new Date(),
): Promise<string> {
  const { config, PacketList, Signature, SignaturePacket } = await openPgp();
  const signing = await key.handle.getSigningKey(undefined, now);
  const packet = new SignaturePacket();
  const { keyPacket } = signing;
  Object.assign(packet, {
    signatureType: BINARY,
    publicKeyAlgorithm: keyPacket.algorithm,
    hashAlgorithm: SHA512,
    // What the library would compute of data that it holds in memory.
    hash: () => Promise.resolve(digest.copy().update(trailer(packet)).digest()),
  });
  const nothing = { text: null, getBytes: () => new Uint8Array() };
  const sign: unknown = Reflect.get(packet, "sign");
  if (typeof sign !== "function") throw new TypeError("openpgp signs no packets");
  await sign.call(packet, keyPacket, nothing, now, true, config);
  const packets = new PacketList<OpenPgp.SignaturePacket>();
  packets.push(packet);
  return new Signature(packets).armor();
}
