/** The secret keys of whoever runs rkt: files of his, which nobody else may read. */
import { configurationHome } from "../../rootless/user.ts";
import { Failure } from "../../failure.ts";
import { readSecretKey, type SecretKey } from "../../trust/sign_file.ts";
import type { Flags } from "../grammar/flags.ts";

/** How a secret key's file is called: its fingerprint, and this. */
const END = ".key";

/** The directory of the keys: `--keys`, or below the user's configuration (XDG Base Directory). */
export function keysDirectory(flags: Flags): string {
  const given = flags.text("keys");
  if (given !== undefined) return given;
  const config = configurationHome();
  if (config === undefined) {
    throw new Failure("there is no HOME for keys; --keys=DIR names a place");
  }
  return `${config}/rkt/keys`;
}

/** The keys in a directory; none where there is no directory. */
export async function ownKeys(directory: string): Promise<readonly SecretKey[]> {
  let names: string[];
  try {
    names = [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Failure(`${directory}: ${error instanceof Error ? error.message : error}`, 254, {
      cause: error,
    });
  }
  const files = names.filter((name) => name.endsWith(END)).sort();
  return await Promise.all(files.map((name) => secretKeyFile(`${directory}/${name}`)));
}

/**
 * Reads a file with a secret key.
 *
 * @throws {Failure} where others may read it, or it is no such key
 */
export async function secretKeyFile(path: string): Promise<SecretKey> {
  let text: string;
  try {
    const { mode, size } = Deno.statSync(path);
    if (((mode ?? 0) & 0o077) !== 0) {
      throw new Failure(`key ${path}: others may read it; chmod 600 ${path}`);
    }
    if (size > 1 << 20) throw new Failure(`key ${path}: larger than 1 MiB`);
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing ? "no such file" : error instanceof Error ? error.message : String(error);
    throw new Failure(`key ${path}: ${why}`, 254, { cause: error });
  }
  return await readSecretKey(text, path);
}

/** Writes a new key; returns where it is. */
export function keepKey(directory: string, fingerprint: string, armoured: string): string {
  const path = `${directory}/${fingerprint}${END}`;
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    Deno.writeTextFileSync(path, armoured, { createNew: true, mode: 0o600 });
  } catch (error) {
    throw new Failure(`${path}: ${error instanceof Error ? error.message : error}`, 254, {
      cause: error,
    });
  }
  return path;
}

/**
 * The key that a fingerprint, the end of it, an identity, or the mail address of one stands for.
 *
 * @returns undefined where there is none
 * @throws {Failure} where several have the identity
 */
export function keyNamed(keys: readonly SecretKey[], text: string): SecretKey | undefined {
  const digits = text.toLowerCase().replace(/^0x/, "");
  if (/^[0-9a-f]{8,64}$/.test(digits)) {
    return keys.find(({ fingerprint }) => fingerprint.endsWith(digits));
  }
  const [found, another] = keys.filter(({ identities }) =>
    identities.some((each) => each === text || each.endsWith(`<${text}>`))
  );
  if (another !== undefined) {
    throw new Failure(`several keys are of ${text}; name one by its fingerprint (rkt key list)`);
  }
  return found;
}
