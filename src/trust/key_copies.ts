/**
 * What the keystore has of one key, as far as it matters for one name. On the way of `rkt run`: it asks for the files
 * that can exist and lists no directories, so that a repeated start can ask the very same again.
 */
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";
import { type Keystore, scopeDirectory, scopesOf } from "./scopes.ts";

/** Who is asked for files. */
export interface AskFiles {
  /** Whether a path names nothing. */
  absent(path: string): boolean;
  /** The bytes of a small file. */
  content(path: string): Uint8Array<ArrayBuffer>;
}

/** Asks the file system. */
export const FILE_SYSTEM: AskFiles = {
  absent: (path) => !exists(path),
  content: (path) => Deno.readFileSync(path),
};

/** A file with a key in it. */
export interface KeyCopy {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The copies of a key that speak about a name. */
export interface KeyCopies {
  /** Whether the key is trusted for the name. */
  readonly trusted: boolean;
  /**
   * All copies. One that is masked for its scope is no reason to trust the key, but what the key's owner says in it (a
   * revocation) is as true as elsewhere.
   */
  readonly copies: readonly KeyCopy[];
}

/**
 * Finds the copies of a key.
 *
 * @param fingerprint the name of the files
 * @throws {Failure} where a file can't be read
 */
export function keyCopies(
  keystore: Keystore,
  name: string,
  fingerprint: string,
  ask: AskFiles,
): KeyCopies {
  const copies: KeyCopy[] = [];
  let trusted = false;
  for (const scope of scopesOf(name)) {
    const [local, system] = [keystore.local, keystore.system].map((config) =>
      keyFile(`${scopeDirectory(config, scope)}/${fingerprint}`, ask)
    );
    // An empty local file masks the system's key.
    if (local?.bytes.length !== 0) trusted ||= local !== undefined || system !== undefined;
    for (const copy of [local, system]) if (copy && copy.bytes.length > 0) copies.push(copy);
  }
  return { trusted, copies };
}

function keyFile(path: string, ask: AskFiles): KeyCopy | undefined {
  if (ask.absent(path)) return undefined;
  try {
    return { path, bytes: ask.content(path) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(`keystore: ${reason}`, 254, { cause: error });
  }
}

/** The SHA-256 of all copies: another one shows that what was made from them is to be looked at again. */
export async function copiesDigest(copies: readonly KeyCopy[]): Promise<string> {
  const parts = copies.flatMap(({ bytes }) => [`${bytes.length}\n`, bytes]);
  const all = await new Blob(parts).arrayBuffer();
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all)).toHex();
}
