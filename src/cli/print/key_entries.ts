/** Keys of the keystore as `rkt trust list` and `rkt image trust-status` show them. */
import type { KeyFile } from "../../trust/keystore.ts";
import type { SigningKey } from "../../trust/image/signing_key.ts";
import { loadKeyFile, mergedKey, type PublicKey } from "../../trust/public_key.ts";
import { scopesOf } from "../../trust/scopes.ts";

/** A file of the keystore, and what is in it. */
export interface KeyEntry {
  readonly file: KeyFile;
  readonly key?: PublicKey;
  /** The key of a PEM file, for images of registries. */
  readonly signingKey?: SigningKey;
  /** `trusted`, or why the key does not count. */
  readonly state: string;
}

/** Reads files of the keystore. A file that can't be read has the reason as its state. */
export async function keyEntries(files: readonly KeyFile[], now = new Date()): Promise<KeyEntry[]> {
  const entries = await Promise.all(files.map((file) => keyEntry(file, now)));
  return await Promise.all(entries.map((entry) => withCopies(entry, entries, now)));
}

/** With what copies for wider scopes say of the key: for images of this scope they count as well. */
async function withCopies(
  entry: KeyEntry,
  entries: readonly KeyEntry[],
  now: Date,
): Promise<KeyEntry> {
  const { file, key } = entry;
  if (key === undefined) return entry;
  const scopes = scopesOf(file.scope);
  const copies = entries.flatMap((other) =>
    other.key?.fingerprint === key.fingerprint && scopes.includes(other.file.scope) ? other.key : []
  );
  const merged = await mergedKey(copies);
  return { file, key: merged, state: keyState(file, merged, now) };
}

async function keyEntry(file: KeyFile, now: Date): Promise<KeyEntry> {
  if (file.fingerprint === undefined) return { file, state: "ignored: not named by fingerprint" };
  if (file.masked && file.origin === "local") return { file, state: "masks the system's key" };
  try {
    if (file.kind === "pem") {
      const { loadSigningKey } = await import("../../trust/image/signing_key.ts");
      const state = file.masked ? "masked by an empty local file" : "trusted";
      return { file, signingKey: loadSigningKey(file), state };
    }
    const key = await loadKeyFile(file);
    return { file, key, state: keyState(file, key, now) };
  } catch (error) {
    return { file, state: error instanceof Error ? error.message : String(error) };
  }
}

function keyState(file: KeyFile, key: PublicKey, now: Date): string {
  if (file.masked) return "masked by an empty local file";
  if (key.revoked) return "revoked by its owner";
  if (key.expires === undefined || key.expires > now) return "trusted";
  return `expired ${key.expires.toISOString().slice(0, 10)}`;
}

/** One entry for programs. */
export function keyEntryJson({ file, key, signingKey, state }: KeyEntry): object {
  return {
    scope: file.scope === "" ? "root" : "prefix",
    prefix: file.scope === "" ? undefined : file.scope,
    fingerprint: file.fingerprint,
    kind: file.kind,
    algorithm: key?.algorithm ?? signingKey?.algorithm,
    identities: key?.identities,
    subkeys: key?.subkeys.map((subkey) => subkey.fingerprint),
    expires: key?.expires?.toISOString(),
    origin: file.origin,
    path: file.path,
    trusted: state === "trusted",
    state,
  };
}
