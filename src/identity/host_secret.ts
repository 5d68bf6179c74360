/**
 * The secret of a host, of which all keys of its identities are derived: so nothing has to be kept for each pod, a restart
 * changes nothing, and whoever replaces the secret makes all of it void.
 */
import { hkdfSync } from "node:crypto";
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";
import { originalVariable } from "../linux/environment.ts";
import { temporaryPath } from "../linux/atomic_file.ts";

/** Bytes of the secret. */
const SECRET_BYTES = 32;

/** The name of the credential that has the secret, in hexadecimal digits (systemd.exec(5), `LoadCredentialEncrypted=`). */
export const CREDENTIAL = "rkt-identity";

/** Where the secret is kept where no credential has it. */
export const secretPath = (dataDir: string): string => `${dataDir}/identity/secret`;

/** A secret, and where it comes from. */
export interface HostSecret {
  readonly bytes: Uint8Array;
  /** The file. */
  readonly source: string;
}

/**
 * Reads the host's secret: from the credential of the service, else from the data directory, where it is made the first time.
 *
 * @throws {Failure} where the file is not root's alone, or has another form
 */
export function hostSecret(dataDir: string): HostSecret {
  const credentials = originalVariable("CREDENTIALS_DIRECTORY");
  const credential = `${credentials}/${CREDENTIAL}`;
  if (credentials !== undefined && exists(credential)) return readSecret(credential);
  const path = secretPath(dataDir);
  if (!exists(path)) makeSecret(dataDir, path);
  const { mode, uid, isFile } = Deno.lstatSync(path);
  if (!isFile || uid !== 0 || ((mode ?? 0) & 0o077) !== 0) {
    throw new Failure(
      `${path} must be a file of root's that nobody else can read: chmod 0600 ${path}`,
    );
  }
  return readSecret(path);
}

function readSecret(path: string): HostSecret {
  const text = Deno.readTextFileSync(path).trim();
  if (!new RegExp(`^[0-9a-f]{${2 * SECRET_BYTES}}$`).test(text)) {
    throw new Failure(`${path} does not hold ${2 * SECRET_BYTES} hexadecimal digits`);
  }
  return { bytes: Uint8Array.fromHex(text), source: path };
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
