/** Public keys in PEM, with which cosign and its kin sign images. */
import { constants, createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { Failure } from "../../failure.ts";
import { type Fingerprint, parseFingerprint } from "../fingerprint.ts";
import type { KeyFile } from "../keystore.ts";

/** A key. */
export interface SigningKey {
  /** The SHA-256 of its SubjectPublicKeyInfo: what a sigstore bundle hints at, in hex. */
  readonly fingerprint: Fingerprint;
  /** As people know it: `ECDSA P-256`, `RSA 3072`, `Ed25519`. */
  readonly algorithm: string;
  readonly pem: string;
  readonly handle: KeyObject;
}

/** Bytes of the largest file that is read. */
export const MAX_PEM_BYTES = 64 << 10;

/** Names of curves in OpenSSL, and the hashes that signers use with them: cosign's first ones took SHA-256 for all. */
const CURVES: Readonly<Record<string, readonly [name: string, hashes: readonly string[]]>> = {
  prime256v1: ["ECDSA P-256", ["sha256"]],
  secp384r1: ["ECDSA P-384", ["sha384", "sha256"]],
  secp521r1: ["ECDSA P-521", ["sha512", "sha256"]],
};

const RSA_BITS = { least: 2048, most: 16384 } as const;

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^]*?-----END \1-----/g;

/** Whether a text is a PEM file, and not an armoured OpenPGP key. */
export function isPem(text: string): boolean {
  return /-----BEGIN (?!PGP )[A-Z0-9 ]+-----/.test(text);
}

/**
 * Reads a public key.
 *
 * @param where a path or URL, for messages
 * @throws {Failure} a private key, several keys, or one that is too weak
 */
export function readSigningKey(text: string, where: string): SigningKey {
  const wrong = (reason: string) => new Failure(`key ${where}: ${reason}`);
  if (text.length > MAX_PEM_BYTES) throw wrong(`larger than ${MAX_PEM_BYTES} bytes`);
  const blocks = [...text.matchAll(BLOCK)];
  const [block, ...others] = blocks;
  if (block === undefined) throw wrong("there is no public key in PEM in it");
  if (others.length > 0) throw wrong(`holds ${blocks.length} keys; there must be one a file`);
  const kind = block[1] ?? "";
  if (kind.includes("PRIVATE")) {
    throw wrong(
      "a private key, which is nobody's business here; cosign public-key shows the public one",
    );
  }
  if (kind !== "PUBLIC KEY" && kind !== "RSA PUBLIC KEY") {
    throw wrong(`a ${kind.toLowerCase()}, not a public key`);
  }
  let handle: KeyObject;
  try {
    handle = createPublicKey(block[0]);
  } catch (error) {
    throw new Failure(`key ${where}: not a usable public key`, 254, { cause: error });
  }
  const algorithm = algorithmOf(handle);
  if (algorithm === undefined) {
    throw wrong("neither ECDSA (P-256, P-384, P-521), nor Ed25519, nor RSA of 2048 bits or more");
  }
  const der = handle.export({ type: "spki", format: "der" });
  const fingerprint = parseFingerprint(createHash("sha256").update(der).digest("hex"));
  const pem = String(handle.export({ type: "spki", format: "pem" }));
  return { fingerprint, algorithm, pem, handle };
}

function algorithmOf(handle: KeyObject): string | undefined {
  const { namedCurve, modulusLength = 0 } = handle.asymmetricKeyDetails ?? {};
  switch (handle.asymmetricKeyType) {
    case "ec":
      return namedCurve !== undefined && Object.hasOwn(CURVES, namedCurve)
        ? CURVES[namedCurve]?.[0]
        : undefined;
    case "ed25519":
      return "Ed25519";
    case "rsa":
      return modulusLength >= RSA_BITS.least && modulusLength <= RSA_BITS.most
        ? `RSA ${modulusLength}`
        : undefined;
    default:
      return undefined;
  }
}

/** Whether a key made a signature of bytes. */
export function isSignedBy(
  { handle }: SigningKey,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  const check = (hash: string | null, options: object = {}): boolean => {
    try {
      return verify(hash, bytes, { key: handle, ...options }, signature);
    } catch {
      // A signature that is none.
      return false;
    }
  };
  switch (handle.asymmetricKeyType) {
    case "ec": {
      const curve = CURVES[handle.asymmetricKeyDetails?.namedCurve ?? ""];
      return curve?.[1].some((hash) => check(hash, { dsaEncoding: "der" })) ?? false;
    }
    case "ed25519":
      return check(null);
    case "rsa":
      return check("sha256", { padding: constants.RSA_PKCS1_PADDING }) ||
        check("sha256", { padding: constants.RSA_PKCS1_PSS_PADDING });
    default:
      return false;
  }
}

/**
 * Loads a key of the keystore.
 *
 * @throws {Failure} when the file does not hold the key that its name says
 */
export function loadSigningKey({ path, fingerprint }: KeyFile): SigningKey {
  if (Deno.statSync(path).size > MAX_PEM_BYTES) {
    throw new Failure(`key ${path}: larger than ${MAX_PEM_BYTES} bytes`);
  }
  const key = readSigningKey(Deno.readTextFileSync(path), path);
  if (key.fingerprint === fingerprint) return key;
  throw new Failure(
    `key ${path}: its content has fingerprint ${key.fingerprint}, its name says another; ` +
      "remove the file or add the key anew with rkt trust",
  );
}
