/**
 * The secret of a host, of which all keys of its identities are derived: so nothing has to be kept for each pod, a restart
 * changes nothing, and whoever replaces the secret makes all of it void.
 */
import { hkdfSync } from "node:crypto";
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";
import { originalVariable } from "../linux/environment.ts";
import { temporaryPath } from "../linux/atomic_file.ts";
import { readSealed, sealedPath, sealSecret, unsealSecret, writeSealed } from "./sealed_secret.ts";

/** Bytes of the secret. */
const SECRET_BYTES = 32;

/** The name of the credential that has the secret, in hexadecimal digits (systemd.exec(5), `LoadCredentialEncrypted=`). */
export const CREDENTIAL = "rkt-identity";

/** Where the secret is kept where no credential has it. */
export const secretPath = (dataDir: string): string => `${dataDir}/identity/secret`;

/** Whether there is a secret that {@linkcode hostSecret} would read here, and not make. */
export const hasSecret = (dataDir: string): boolean =>
  exists(secretPath(dataDir)) || exists(sealedPath(dataDir));

/** A secret, and where it comes from. */
export interface HostSecret {
  readonly bytes: Uint8Array;
  /** The file. */
  readonly source: string;
}

/**
 * Reads the host's secret: from the credential of the service, else from the data directory, where it is made the first time;
 * where it was sealed, the TPM opens it.
 *
 * @throws {Failure} where the file is not root's alone, or has another form
 */
export function hostSecret(dataDir: string): HostSecret {
  const credentials = originalVariable("CREDENTIALS_DIRECTORY");
  const credential = `${credentials}/${CREDENTIAL}`;
  if (credentials !== undefined && exists(credential)) {
    return {
      bytes: secretBytes(Deno.readTextFileSync(credential), credential),
      source: credential,
    };
  }
  const sealed = readSealed(dataDir);
  if (sealed !== undefined) {
    return { bytes: secretBytes(unsealSecret(sealed), "the TPM"), source: sealedPath(dataDir) };
  }
  const path = secretPath(dataDir);
  if (!exists(path)) makeSecret(dataDir, path);
  return { bytes: readOwn(path), source: path };
}

/** Reads the file of the secret, which must be root's alone. */
function readOwn(path: string): Uint8Array {
  const { mode, uid, isFile } = Deno.lstatSync(path);
  if (!isFile || uid !== 0 || ((mode ?? 0) & 0o077) !== 0) {
    throw new Failure(
      `${path} must be a file of root's that nobody else can read: chmod 0600 ${path}`,
    );
  }
  return secretBytes(Deno.readTextFileSync(path), path);
}

/** @param holder where the text is from, for errors */
function secretBytes(text: string, holder: string): Uint8Array {
  if (!new RegExp(`^[0-9a-f]{${2 * SECRET_BYTES}}$`).test(text.trim())) {
    throw new Failure(`${holder} does not hold ${2 * SECRET_BYTES} hexadecimal digits`);
  }
  return Uint8Array.fromHex(text.trim());
}

/**
 * Seals the secret in the machine's TPM, and removes it from the disk. Where there is none, it is made, and never on the disk.
 *
 * @param pcrs registers that must be as they are now; tpm2_policypcr(1)
 * @returns the file of what only this TPM can open
 * @throws {Failure} where there is no TPM, or the secret is sealed already
 */
export async function sealHostSecret(dataDir: string, pcrs?: string): Promise<string> {
  const [plain, path] = [secretPath(dataDir), sealedPath(dataDir)];
  const before = readSealed(dataDir);
  const bytes = exists(plain)
    ? readOwn(plain)
    : crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  if (before !== undefined && !exists(plain)) throw new Failure(`${path}: it is sealed already`);
  const sealed = before ?? await sealSecret(bytes.toHex(), pcrs);
  // The file is removed only where the TPM has shown that it gives the same secret back.
  if (secretBytes(unsealSecret(sealed), "the TPM").toHex() !== bytes.toHex()) {
    throw new Failure(`${path} has another secret than ${plain}; remove one of them`);
  }
  if (before === undefined) writeSealed(dataDir, sealed);
  if (exists(plain)) Deno.removeSync(plain);
  return path;
}

/** Of two that make it at once, one has made it: a link replaces nothing. */
function makeSecret(dataDir: string, path: string): void {
  Deno.mkdirSync(`${dataDir}/identity`, { recursive: true, mode: 0o700 });
  const text = crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).toHex();
  const temporary = temporaryPath(`${dataDir}/identity/`);
  using file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
  file.writeSync(new TextEncoder().encode(`${text}\n`));
  file.syncSync();
  try {
    Deno.linkSync(temporary, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  } finally {
    Deno.removeSync(temporary);
  }
}

/**
 * Derives a key (HKDF-SHA512, RFC 5869).
 *
 * @param purpose what it is for; another purpose has another key, and neither tells anything of the other
 */
export function derivedKey(secret: HostSecret, purpose: string, bytes: number): Uint8Array {
  return new Uint8Array(
    hkdfSync("sha512", secret.bytes, new Uint8Array(), `rkt ${purpose}`, bytes),
  );
}
