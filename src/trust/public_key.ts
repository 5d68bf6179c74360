/** OpenPGP public keys: reading them from files and downloads, and what a person has to know of them. */
import type * as OpenPgp from "openpgp";
import { Failure } from "../failure.ts";
import { type Fingerprint, parseFingerprint } from "./fingerprint.ts";
import type { KeyCopy } from "./key_copies.ts";
import type { KeyFile } from "./keystore.ts";

/** More than any real key with its certifications; refused beyond, so that memory stays bounded. */
export const MAX_KEY_BYTES = 1 << 20;

/** The largest modulus that is read. gpg makes at most 4096 bits; time to verify grows with its square. */
const MAX_KEY_BITS = 16384;

/** A part of a key that can sign: the primary key or a subkey. */
export interface KeyPart {
  readonly fingerprint: Fingerprint;
  /** As people know it: `RSA 4096`, `Ed25519`, `ECDSA nistP256`, `DSA 2048`. */
  readonly algorithm: string;
  readonly created: Date;
}

/** A public key. */
export interface PublicKey extends KeyPart {
  /** User IDs: `Peer Test <peer@example.com>`; what they say is the key owner's claim. */
  readonly identities: readonly string[];
  readonly subkeys: readonly KeyPart[];
  /** When the key ends; `undefined` when it never does or has no valid self-signature to tell. */
  readonly expires: Date | undefined;
  readonly revoked: boolean;
  /** The key as the keystore holds it. */
  readonly armoured: string;
  /** What verification works with. */
  readonly handle: OpenPgp.PublicKey;
}

/** Loads OpenPGP: 75 to 110 ms, so only when something is to be verified. */
export function openPgp(): Promise<typeof OpenPgp> {
  return import("openpgp");
}

const ALGORITHMS: Readonly<Record<string, string>> = {
  rsaEncryptSign: "RSA",
  rsaEncrypt: "RSA",
  rsaSign: "RSA",
  elgamal: "Elgamal",
  dsa: "DSA",
  ecdh: "ECDH",
  ecdsa: "ECDSA",
  eddsaLegacy: "EdDSA",
  ed25519: "Ed25519",
  ed448: "Ed448",
  x25519: "X25519",
  x448: "X448",
};

function algorithmText(info: OpenPgp.AlgorithmInfo): string {
  if (info.algorithm === "eddsaLegacy") return "Ed25519";
  const name = ALGORITHMS[info.algorithm] ?? info.algorithm;
  const size = info.bits ?? info.curve;
  return size === undefined ? name : `${name} ${size}`;
}

function keyPart(key: OpenPgp.PublicKey | OpenPgp.Subkey): KeyPart {
  const info = key.getAlgorithmInfo();
  if ((info.bits ?? 0) > MAX_KEY_BITS) {
    throw new Error(`a key of ${info.bits} bits; ${MAX_KEY_BITS} is the most that is accepted`);
  }
  return {
    fingerprint: parseFingerprint(key.getFingerprint()),
    algorithm: algorithmText(info),
    created: key.getCreationTime(),
  };
}

/** User IDs come from strangers and go to a terminal: no control or formatting characters. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");
}

async function publicKey(handle: OpenPgp.PublicKey): Promise<PublicKey> {
  if (handle.isPrivate()) {
    throw new Error(
      "a private key, which is nobody's business here; gpg --export makes a public one",
    );
  }
  const primary = keyPart(handle);
  const subkeys = handle.getSubkeys().map(keyPart);
  const expires = await handle.getExpirationTime();
  return {
    ...primary,
    identities: handle.getUserIDs().map(printable),
    subkeys,
    expires: expires instanceof Date ? expires : undefined,
    revoked: await handle.isRevoked(),
    armoured: handle.armor(),
    handle,
  };
}

/**
 * One key of several copies of it, as OpenPGP implementations merge them: certifications, subkeys and revocations of all
 * copies count. So an older copy takes nothing back: neither a revocation nor a later expiry.
 *
 * @param copies with one fingerprint; at least one
 * @throws {Failure} where they are too large together
 */
export async function mergedKey(copies: readonly PublicKey[]): Promise<PublicKey> {
  const [first, ...others] = copies;
  if (first === undefined) throw new TypeError("there is no key to merge");
  if (others.length === 0) return first;
  let merged = first.handle;
  for (const { handle } of others) merged = await merged.update(handle);
  const key = await publicKey(merged);
  if (key.armoured.length > MAX_KEY_BYTES) {
    throw new Failure(
      `key ${key.fingerprint}: its copies together are over ${MAX_KEY_BYTES} bytes`,
    );
  }
  return key;
}

/**
 * The key whose copies the keystore has.
 *
 * @throws {Failure} when one of them is no copy of it
 */
export async function loadKeyCopies(copies: readonly KeyCopy[]): Promise<PublicKey> {
  return await mergedKey(await Promise.all(copies.map(loadKeyCopy)));
}

const ARMOUR = /-----BEGIN PGP (?:PUBLIC|PRIVATE) KEY BLOCK-----[^]*?-----END PGP [^-]*-----/g;

async function handles(bytes: Uint8Array): Promise<OpenPgp.PublicKey[]> {
  const { readKeys } = await openPgp();
  // Every packet of OpenPGP begins with the high bit set, which no armour does (RFC 9580 §4.2).
  if ((bytes[0] ?? 0) & 0x80) return await readKeys({ binaryKeys: bytes });
  const blocks = new TextDecoder().decode(bytes).match(ARMOUR);
  if (blocks === null) throw new Error("there is no PGP PUBLIC KEY BLOCK in it");
  const keys: OpenPgp.PublicKey[] = [];
  for (const armoredKeys of blocks) keys.push(...await readKeys({ armoredKeys }));
  return keys;
}

/**
 * Reads public keys, armoured (one or more blocks) or binary.
 *
 * @param where what the bytes are, for the error: a path or a URL
 * @throws {Failure} when there is no key, a private one, or one that can't be understood
 */
export async function readPublicKeys(bytes: Uint8Array, where: string): Promise<PublicKey[]> {
  if (bytes.length > MAX_KEY_BYTES) {
    throw new Failure(`key ${where}: larger than ${MAX_KEY_BYTES} bytes, so not a public key`);
  }
  try {
    const keys: PublicKey[] = [];
    for (const handle of await handles(bytes)) keys.push(await publicKey(handle));
    if (keys.length === 0) throw new Error("there is no public key in it");
    return keys;
  } catch (error) {
    throw new Failure(`key ${where}: not usable as OpenPGP public key: ${plain(error)}`, 254, {
      cause: error,
    });
  }
}

/** A library's message as part of our line: without its prefix, line breaks and full stop. */
export function plain(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^Error [a-z ]+: /i, "").replace(/\s+/g, " ").replace(/\.$/, "");
}

/**
 * Loads a key of the keystore.
 *
 * @throws {Failure} when the file does not hold exactly the key that its name says
 */
export async function loadKeyFile({ path }: Pick<KeyFile, "path">): Promise<PublicKey> {
  const info = Deno.statSync(path);
  if (info.size > MAX_KEY_BYTES) {
    throw new Failure(`key ${path}: larger than ${MAX_KEY_BYTES} bytes, so not a public key`);
  }
  return await loadKeyCopy({ path, bytes: await Deno.readFile(path) });
}

/**
 * The key in a file of the keystore whose bytes are there already.
 *
 * @throws {Failure} when it is not exactly the key that the file's name says
 */
export async function loadKeyCopy({ path, bytes }: KeyCopy): Promise<PublicKey> {
  const [key, ...more] = await readPublicKeys(bytes, path);
  if (key === undefined || more.length > 0) {
    throw new Failure(`key ${path}: holds ${more.length + 1} keys; there must be one a file`);
  }
  if (key.fingerprint !== path.slice(path.lastIndexOf("/") + 1)) {
    throw new Failure(
      `key ${path}: its content has fingerprint ${key.fingerprint}, its name says another; ` +
        `remove the file or add the key anew with rkt trust`,
    );
  }
  return key;
}
