/**
 * Detached OpenPGP signatures (RFC 4880 §11.4, RFC 9580 §10.4) of images.
 *
 * Order of use: {@linkcode readSignatures} of the `.asc`; {@linkcode acceptableSigners} says, before a
 * byte of the image is fetched, whether any signature is by a key that is trusted and fit to sign;
 * {@linkcode createSignedDigests} takes the image's bytes as they pass by; {@linkcode verifySigned}.
 */
import type * as OpenPgp from "openpgp";
import { Failure } from "../failure.ts";
import { type Fingerprint, parseFingerprint } from "./fingerprint.ts";
import { openPgp, plain, type PublicKey } from "./public_key.ts";

/** The largest `.asc` that is read: thousands of signatures' worth. */
export const MAX_SIGNATURE_BYTES = 64 << 10;

/** Signatures beyond this number in one `.asc` are refused: each costs a pass over the image. */
const MAX_SIGNATURES = 16;

/** Digest algorithms by OpenPGP's number (RFC 9580 §9.5), by the name that node:crypto knows. */
const HASHES: Readonly<Record<number, { readonly name: string; readonly refused?: true }>> = {
  1: { name: "md5", refused: true },
  2: { name: "sha1", refused: true },
  3: { name: "ripemd160", refused: true },
  8: { name: "sha256" },
  9: { name: "sha384" },
  10: { name: "sha512" },
  11: { name: "sha224" },
  12: { name: "sha3-256" },
  14: { name: "sha3-512" },
};

/** Signature types (RFC 9580 §5.2.1). */
const BINARY = 0x00;
const TEXT = 0x01;

/** DSA's number (RFC 9580 §9.1). */
const DSA = 17;

/** One signature of an `.asc`. */
export interface DetachedSignature {
  /** The ID of the key that says it made this: 16 upper-case hex digits. */
  readonly issuer: string;
  readonly created: Date;
  /** The digest that it is over, as node:crypto names it. */
  readonly hash: string;
  /** Why no key can make this signature good; `undefined` when one can. */
  readonly refusal: string | undefined;
  /** v6 signatures hash this before the data (RFC 9580 §5.2.4). */
  readonly salt: Uint8Array;
  readonly packet: OpenPgp.SignaturePacket;
}

const ARMOUR = /-----BEGIN PGP SIGNATURE-----[^]*?-----END PGP SIGNATURE-----/g;

function refusalOf(packet: OpenPgp.SignaturePacket): string | undefined {
  const hash = HASHES[packet.hashAlgorithm ?? 0];
  if (hash === undefined) return `it uses an unknown digest (number ${packet.hashAlgorithm})`;
  if (hash.refused) {
    return `it uses ${hash.name.toUpperCase()}, which is broken; sign with --digest-algo SHA512`;
  }
  if (packet.signatureType === TEXT) {
    return "it is over text, not over bytes; sign without --textmode";
  }
  if (packet.signatureType !== BINARY) {
    return `it is no signature of a file (type 0x${(packet.signatureType ?? 0).toString(16)})`;
  }
  return undefined;
}

function detachedSignature(packet: OpenPgp.SignaturePacket): DetachedSignature | undefined {
  // What the library could not understand (an older or newer version) is left without a creation time.
  if (!(packet.created instanceof Date) || packet.signatureData === null) return undefined;
  const salt: unknown = Reflect.get(packet, "salt");
  return {
    issuer: packet.issuerKeyID.toHex().toUpperCase(),
    created: packet.created,
    hash: HASHES[packet.hashAlgorithm ?? 0]?.name ?? "unknown",
    refusal: refusalOf(packet),
    salt: salt instanceof Uint8Array ? salt : new Uint8Array(),
    packet,
  };
}

/**
 * Reads an `.asc`: one or more armoured blocks with one or more signatures each.
 *
 * @param where what the bytes are, for the error: a path or a URL
 * @throws {Failure} when there is no signature in it that could be understood
 */
export async function readSignatures(
  asc: Uint8Array,
  where: string,
): Promise<DetachedSignature[]> {
  if (asc.length > MAX_SIGNATURE_BYTES) {
    throw new Failure(`signature ${where}: larger than ${MAX_SIGNATURE_BYTES} bytes`);
  }
  const blocks = new TextDecoder().decode(asc).match(ARMOUR);
  if (blocks === null) {
    throw new Failure(
      `signature ${where}: there is no armoured PGP SIGNATURE in it; ` +
        `gpg --armor --detach-sign makes one`,
    );
  }
  const { readSignature } = await openPgp();
  const packets: OpenPgp.SignaturePacket[] = [];
  try {
    for (const armoredSignature of blocks) {
      packets.push(...(await readSignature({ armoredSignature })).packets);
    }
  } catch (error) {
    throw new Failure(`signature ${where}: not a usable OpenPGP signature: ${plain(error)}`, 254, {
      cause: error,
    });
  }
  return usableSignatures(packets, where);
}

/**
 * The signatures of packets.
 *
 * @throws {Failure} when there is none that could be understood, or there are too many
 */
export function usableSignatures(
  packets: readonly OpenPgp.SignaturePacket[],
  where: string,
): DetachedSignature[] {
  const signatures = packets.map(detachedSignature).filter((found) => found !== undefined);
  if (signatures.length === 0) {
    throw new Failure(`signature ${where}: no OpenPGP signature of version 4 or 6 in it`);
  }
  if (signatures.length > MAX_SIGNATURES) {
    throw new Failure(`signature ${where}: more than ${MAX_SIGNATURES} signatures`);
  }
  return signatures;
}

/** What is asked of signatures and keys. */
export interface TrustPolicy {
  /** The time to judge expiry by; default: now. */
  readonly now?: Date;
  /** Accept DSA keys, whose signatures give the key away when made carelessly; default: no. */
  readonly allowDsa?: boolean;
}

/** A signature together with the trusted key that says it made it. */
export interface Candidate {
  readonly signature: DetachedSignature;
  readonly key: PublicKey;
}

/** Who signed. */
export interface Signer {
  /** Of the primary key. */
  readonly fingerprint: Fingerprint;
  /** Of the key or subkey that made the signature. */
  readonly signingKey: Fingerprint;
  readonly identities: readonly string[];
  readonly created: Date;
  /** What the signature is over: the digest of the bytes and of the signature's own fields. */
  readonly digest: Uint8Array;
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function keyText(key: PublicKey): string {
  const identity = key.identities[0];
  return identity === undefined ? `key ${key.fingerprint}` : `key ${key.fingerprint} (${identity})`;
}

/** Why a trusted key can't vouch for a signature that names it; `undefined` when it can. */
async function unfit(
  signature: DetachedSignature,
  key: PublicKey,
  policy: TrustPolicy,
): Promise<string | undefined> {
  const now = policy.now ?? new Date();
  if (signature.refusal !== undefined) return signature.refusal;
  if (signature.packet.publicKeyAlgorithm === DSA && policy.allowDsa !== true) {
    return `${
      keyText(key)
    } is a DSA key; use RSA, ECDSA or Ed25519, or allow it with --insecure-options=dsa`;
  }
  if (key.algorithm.endsWith("secp256k1")) {
    return `${keyText(key)} is on a curve that OpenPGP lacks`;
  }
  if (key.revoked) return `${keyText(key)} has been revoked by its owner`;
  if (key.expires !== undefined && key.expires <= now) {
    const made = signature.created >= key.expires ? `, made on ${day(signature.created)}` : "";
    return `${keyText(key)} expired on ${
      day(key.expires)
    }${made}; get its renewed form from the owner`;
  }
  const config = policy.allowDsa ? { rejectPublicKeyAlgorithms: new Set<number>() } : {};
  try {
    const { config: defaults } = await openPgp();
    const id = signature.packet.issuerKeyID;
    await key.handle.getSigningKey(id, now, undefined, { ...defaults, ...config });
    return undefined;
  } catch (error) {
    return `${keyText(key)} is not fit to sign: ${plain(error)}`;
  }
}

/**
 * Finds, before any byte of the image is needed, the signatures that may make it trusted: those by a
 * trusted key that is neither revoked nor expired, with an algorithm that is accepted.
 *
 * @param what the image, for the error
 * @param keys the keys that are trusted for the image's name
 * @throws {Failure} with the reason when there is none
 */
export async function acceptableSigners(
  what: string,
  signatures: readonly DetachedSignature[],
  keys: readonly PublicKey[],
  policy: TrustPolicy = {},
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  const reasons: string[] = [];
  for (const signature of signatures) {
    const signers = keys.filter((key) =>
      key.handle.getKeys(signature.packet.issuerKeyID).length > 0
    );
    if (signers.length === 0) {
      reasons.push(
        signature.refusal ??
          `made by key ID ${signature.issuer}, which is not trusted for this name`,
      );
    }
    for (const key of signers) {
      const refusal = await unfit(signature, key, policy);
      if (refusal === undefined) candidates.push({ signature, key });
      else reasons.push(refusal);
    }
  }
  if (candidates.length > 0) return candidates;
  throw new Failure(`${what}: signature refused: ${[...new Set(reasons)].join("; ")}`);
}

/** The digests of an image's bytes, fed as the bytes pass by. */
export interface SignedDigests {
  /** Takes the next bytes of the file as it was distributed. */
  update(bytes: Uint8Array): void;
  /** The digest that a signature is over: the bytes so far, and the signature's own fields. */
  digestFor(signature: DetachedSignature): Uint8Array;
}

/** What is hashed after the data (RFC 9580 §5.2.4): the signature's fields and how many they are. */
export function trailer(packet: OpenPgp.SignaturePacket): Uint8Array {
  const fields = packet.signatureData ?? new Uint8Array();
  const bytes = new Uint8Array(fields.length + 6);
  bytes.set(fields);
  bytes.set([packet.version, 0xff], fields.length);
  new DataView(bytes.buffer).setUint32(fields.length + 2, fields.length);
  return bytes;
}

/** What has to be known of a signature before the data: its digest algorithm and salt. */
export type DigestKind = Pick<DetachedSignature, "hash" | "salt">;

/** The digests to compute for a signature that nobody has seen yet. */
export const DEFERRED_HASHES: readonly DigestKind[] = ["sha512", "sha256", "sha384", "sha224"].map(
  (hash) => ({ hash, salt: new Uint8Array() }),
);

/**
 * Starts the native digests that some signatures need: one for each algorithm, however many signatures.
 */
export async function createSignedDigests(
  signatures: readonly DigestKind[],
): Promise<SignedDigests> {
  const { createHash } = await import("node:crypto");
  const kind = (signature: DigestKind) => `${signature.hash} ${signature.salt.join()}`;
  const states = new Map<string, ReturnType<typeof createHash>>();
  for (const signature of signatures) {
    if (states.has(kind(signature))) continue;
    const state = createHash(signature.hash);
    state.update(signature.salt);
    states.set(kind(signature), state);
  }
  return {
    update(bytes) {
      for (const state of states.values()) state.update(bytes);
    },
    digestFor(signature) {
      const state = states.get(kind(signature));
      if (state === undefined) {
        throw new Failure(`its digest (${signature.hash}) was not foreseen; fetch the image again`);
      }
      return new Uint8Array(state.copy().update(trailer(signature.packet)).digest());
    },
  };
}

async function verifyOne(
  candidate: Candidate,
  digest: Uint8Array,
  policy: TrustPolicy,
): Promise<Signer> {
  const { createMessage, PacketList, Signature, verify } = await openPgp();
  const { packet } = candidate.signature;
  // The library takes a digest that is there for the one it would compute. Should a later version
  // not, then it compares with the digest of no bytes, and refuses.
  Object.assign(packet, { hashed: digest });
  const packets = new PacketList<OpenPgp.SignaturePacket>();
  packets.push(packet);
  const result = await verify({
    message: await createMessage({ binary: new Uint8Array(), format: "binary" }),
    signature: new Signature(packets),
    verificationKeys: candidate.key.handle,
    format: "binary",
    date: policy.now ?? new Date(),
    config: {
      // A key that was prolonged has a self-signature newer than what it signed before. The key is
      // fit now, as was checked, and gpg accepts this too.
      allowInsecureVerificationWithReformattedKeys: true,
      ...policy.allowDsa ? { rejectPublicKeyAlgorithms: new Set() } : {},
    },
  });
  const [outcome] = result.signatures;
  if (outcome === undefined) throw new Error("nothing was verified");
  await outcome.verified;
  const [signing] = candidate.key.handle.getKeys(packet.issuerKeyID);
  return {
    fingerprint: candidate.key.fingerprint,
    signingKey: parseFingerprint(signing?.getFingerprint() ?? candidate.key.fingerprint),
    identities: candidate.key.identities,
    created: candidate.signature.created,
    digest,
  };
}

/** What the library says when the bytes are not the signed ones, said for people. */
const DIFFERENT = /Signed digest did not match|Signature verification failed/;

/**
 * Verifies signatures of bytes that have passed through the digests. One good signature by a trusted
 * key is enough.
 *
 * @returns who signed; never empty
 * @throws {Failure} with the reason when no signature is good
 */
export async function verifySigned(
  what: string,
  candidates: readonly Candidate[],
  digests: SignedDigests,
  policy: TrustPolicy = {},
): Promise<Signer[]> {
  const signers: Signer[] = [];
  const reasons: string[] = [];
  for (const candidate of candidates) {
    try {
      signers.push(await verifyOne(candidate, digests.digestFor(candidate.signature), policy));
    } catch (error) {
      reasons.push(
        DIFFERENT.test(plain(error))
          ? `these are not the bytes that ${keyText(candidate.key)} signed`
          : `${keyText(candidate.key)}: ${plain(error)}`,
      );
    }
  }
  if (signers.length > 0) return signers;
  throw new Failure(`${what}: signature refused: ${[...new Set(reasons)].join("; ")}`);
}
