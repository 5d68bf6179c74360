/**
 * Which images get what they ask for beyond the default, by their names: what `rkt trust --accept-isolators` remembers.
 * A file for each prefix, beside the keys, once below the system's configuration and once below the local one:
 *
 *     CONFIG/trustedkeys/accepted.d/root.d/isolators
 *     CONFIG/trustedkeys/accepted.d/prefix.d/PREFIX/isolators
 *
 * An empty local file masks the system's of the same prefix, as with keys. rkt 1.30 looks at `root.d` and `prefix.d`
 * only, so it does not take these files for keys.
 */
import { replaceFile } from "../linux/atomic_file.ts";
import { exists } from "../linux/exists.ts";
import { reasonOf } from "../linux/reason.ts";
import { Failure } from "../failure.ts";
import { type AskFiles, FILE_SYSTEM } from "./key_copies.ts";
import { makeScopeDirectory, type Revocation, scopesIn, scopeText } from "./keystore.ts";
import { acceptedDirectory, type Keystore, ROOT, scopesOf, type TrustScope } from "./scopes.ts";

/** The file's content. Only that it is not empty matters. */
const CONTENT = "all\n";

/** A decision that images of a prefix get what they ask for. */
export interface Acceptance {
  readonly scope: TrustScope;
  readonly origin: "system" | "local";
  readonly path: string;
  /** Whether an empty local file switches it off. */
  readonly masked: boolean;
}

/** The path of a prefix's file below a configuration directory. */
function acceptedPath(config: string, scope: TrustScope): string {
  return `${acceptedDirectory(config, scope)}/isolators`;
}

/**
 * The decision that covers an image's name, the one for the widest prefix first.
 *
 * @param ask who is asked for files; a repeated start asks the same again
 * @throws {Failure} where a file can't be read
 */
export function acceptanceFor(
  keystore: Keystore,
  name: string,
  ask: AskFiles = FILE_SYSTEM,
): Acceptance | undefined {
  for (const scope of scopesOf(name)) {
    const found = acceptances(keystore, scope, ask).find(({ masked }) => !masked);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** All decisions, those that are masked included: for every image first, then by prefix. */
export function allAcceptances(keystore: Keystore): Acceptance[] {
  const directories = [keystore.system, keystore.local].map((config) =>
    `${acceptedDirectory(config, ROOT).replace(/\/root\.d$/, "")}/prefix.d`
  );
  return [ROOT, ...scopesIn(directories)]
    .flatMap((scope) => acceptances(keystore, scope, FILE_SYSTEM));
}

function acceptances(keystore: Keystore, scope: TrustScope, ask: AskFiles): Acceptance[] {
  const [local, system] = (["local", "system"] as const).map((origin) => {
    const path = acceptedPath(keystore[origin], scope);
    const bytes = contentOf(path, ask);
    return bytes === undefined ? undefined : { scope, origin, path, empty: bytes.length === 0 };
  });
  const masked = local?.empty === true;
  return [local, system].flatMap((each) => {
    if (each === undefined || each.empty) return [];
    const { scope, origin, path } = each;
    return [{ scope, origin, path, masked: masked && origin === "system" }];
  });
}

function contentOf(path: string, ask: AskFiles): Uint8Array | undefined {
  if (ask.absent(path)) return undefined;
  try {
    return ask.content(path);
  } catch (error) {
    throw new Failure(`keystore: ${reasonOf(error)}`, 254, { cause: error });
  }
}

/**
 * Remembers the decision in the local half of the keystore.
 *
 * @returns the file's path
 * @throws {Failure} when it can't be written
 */
export function addAcceptance(keystore: Keystore, scope: TrustScope): string {
  return write(keystore, scope, CONTENT);
}

/**
 * Takes the decision for a prefix back: removes the local file, and masks the system's.
 *
 * @throws {Failure} when there is none
 */
export function revokeAcceptance(keystore: Keystore, scope: TrustScope): Revocation {
  const found = acceptances(keystore, scope, FILE_SYSTEM).filter(({ masked }) => !masked);
  const local = found.some(({ origin }) => origin === "local");
  if (found.length === 0) {
    throw new Failure(
      `nothing is accepted for ${scopeText(scope)}; rkt trust list shows what is`,
    );
  }
  // A file of the system's that is empty is no decision, and needs no mask.
  if (exists(acceptedPath(keystore.system, scope))) {
    write(keystore, scope, "");
    return local ? "removed and masked" : "masked";
  }
  try {
    Deno.removeSync(acceptedPath(keystore.local, scope));
  } catch (error) {
    throw new Failure(`keystore ${keystore.local}: ${reasonOf(error)}`, 254, { cause: error });
  }
  return "removed";
}

function write(keystore: Keystore, scope: TrustScope, content: string): string {
  const path = acceptedPath(keystore.local, scope);
  try {
    makeScopeDirectory(keystore.local, acceptedDirectory(keystore.local, scope));
    replaceFile(path, content, { exactMode: true });
  } catch (error) {
    throw new Failure(`keystore ${keystore.local}: ${reasonOf(error)}`, 254, { cause: error });
  }
  return path;
}
