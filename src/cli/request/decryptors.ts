/** What this host can decrypt images with: files of root's in `decryptkeys`, and credentials of the unit. */
import { originalVariable } from "../../linux/environment.ts";
import { Failure } from "../../failure.ts";
import { MAX_SECRET_BYTES, readSecretKey, type SecretKey } from "../../trust/sign_file.ts";
import type { Decryptors } from "../../trust/session_keys.ts";
import { isPem } from "../../trust/image/signing_key.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";

/** The end of the name of a file with a passphrase; all others are secret keys, armoured or in PEM. */
const PASSPHRASE = ".passphrase";

/** What a credential of systemd is called that is meant for this. */
const CREDENTIAL = "rkt.decrypt.";

/**
 * Reads keys and passphrases.
 *
 * @throws {Failure} where others may read one of them, or it is none
 */
export async function hostDecryptors(
  { systemConfig, localConfig, ownKeys }: GlobalFlags,
): Promise<Decryptors> {
  const credentials = originalVariable("CREDENTIALS_DIRECTORY");
  const files = [
    ...filesIn(`${systemConfig}/decryptkeys`, ""),
    ...filesIn(`${ownKeys ?? localConfig}/decryptkeys`, ""),
    ...credentials === undefined ? [] : filesIn(credentials, CREDENTIAL),
  ];
  return await readDecryptors(files);
}

/**
 * Reads files with secret keys, armoured or in PEM, and with passphrases.
 *
 * @throws {Failure} where others may read one of them, or it is none
 */
export async function readDecryptors(files: readonly string[]): Promise<Decryptors> {
  const keys: SecretKey[] = [];
  const passphrases: string[] = [];
  const pem: string[] = [];
  for (const path of files) {
    const text = readSecret(path);
    if (path.endsWith(PASSPHRASE)) passphrases.push(withoutLineFeed(text));
    else if (isPem(text)) pem.push(await checkedPem(text, path));
    else keys.push(await readSecretKey(text, path));
  }
  return { keys, passphrases, pem };
}

/** A private key as openssl writes it, for layers of OCI images. */
async function checkedPem(text: string, path: string): Promise<string> {
  const { createPrivateKey } = await import("node:crypto");
  try {
    createPrivateKey(text);
    return text;
  } catch (error) {
    throw new Failure(`key ${path}: is no private key in PEM without a passphrase`, 254, {
      cause: error,
    });
  }
}

function filesIn(directory: string, beginning: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name)
      .filter((name) => name.startsWith(beginning) && !name.startsWith("."))
      .sort().map((name) => `${directory}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Failure(`${directory}: ${error instanceof Error ? error.message : error}`, 254, {
      cause: error,
    });
  }
}

/** The text of a file that nobody else may read. */
export function readSecret(path: string): string {
  try {
    const { mode, size, uid } = Deno.statSync(path);
    if (((mode ?? 0) & 0o077) !== 0) {
      throw new Failure(`${path}: others may read it; chmod 600 ${path}`);
    }
    if (uid !== Deno.uid() && uid !== 0) throw new Failure(`${path}: belongs to somebody else`);
    if (size > MAX_SECRET_BYTES) throw new Failure(`${path}: larger than 1 MiB`);
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing ? "no such file" : error instanceof Error ? error.message : String(error);
    throw new Failure(`${path}: ${why}`, 254, { cause: error });
  }
}

/** A passphrase as gpg's --passphrase-file reads it: the first line. */
export const withoutLineFeed = (text: string): string => text.split(/\r?\n/)[0] ?? "";
