import { Failure } from "../../failure.ts";
import { type PublicKey, readPublicKeys } from "../../trust/public_key.ts";
import type { Flags } from "../grammar/flags.ts";
import { keysDirectory, ownKeys } from "../request/own_keys.ts";

/**
 * The public keys that go with images: those of files, those of `--public-key`, and the own ones; each once.
 *
 * @throws {Failure} where a file has none
 */
export async function siteKeys(
  files: readonly string[],
  flags: Flags,
): Promise<readonly PublicKey[]> {
  const keys: PublicKey[] = [];
  for (const file of [...files, ...flags.all("public-key")]) {
    keys.push(...await readPublicKeys(readKey(file), file));
  }
  for (const { handle, fingerprint } of await ownKeys(keysDirectory(flags))) {
    const armoured = new TextEncoder().encode(handle.toPublic().armor());
    keys.push(...await readPublicKeys(armoured, fingerprint));
  }
  return [...new Map(keys.map((key) => [key.fingerprint, key])).values()];
}

function readKey(path: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing ? "no such file" : error instanceof Error ? error.message : String(error);
    throw new Failure(`key ${path}: ${why}`, 254, { cause: error });
  }
}
