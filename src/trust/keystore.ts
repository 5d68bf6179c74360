/**
 * The keystore: which keys are trusted for which names. A directory tree of armoured public keys, one
 * a file, named by fingerprint (rkt, Documentation/signing-and-verification-guide.md):
 *
 *     CONFIG/trustedkeys/root.d/FINGERPRINT              trusted for every name
 *     CONFIG/trustedkeys/prefix.d/PREFIX/FINGERPRINT     trusted for PREFIX and the names below it
 *     CONFIG/trustedkeys/…/FINGERPRINT.pem               a key of cosign, for images in registries
 *
 * once below the system's configuration (what the distribution ships) and once below the local one
 * (what the administrator decided). An empty local file masks the system's key of the same path.
 * Nothing here reads a key's content; see public_key.ts for that.
 */
import { replaceFile } from "../linux/atomic_file.ts";
import { Failure } from "../failure.ts";
import { type Fingerprint, isFingerprint } from "./fingerprint.ts";
import { type Keystore, ROOT, scopeDirectory, scopesOf, type TrustScope } from "./scopes.ts";

/** One file of the keystore. */
export interface KeyFile {
  readonly path: string;
  readonly scope: TrustScope;
  readonly origin: "system" | "local";
  /** What is in it: an armoured OpenPGP key, or (`FINGERPRINT.pem`) a key that signs images of registries. */
  readonly kind: "openpgp" | "pem";
  /** `undefined` when the file's name is no fingerprint: such a file trusts nothing. */
  readonly fingerprint: Fingerprint | undefined;
  /** A system key that an empty local file switches off, or that empty file itself. */
  readonly masked: boolean;
}

/** The end of the name of a PEM file. */
const PEM = ".pem";

/** A segment of a name: the appc identifier's alphabet, which has no `..` and no hidden names. */
const SEGMENT = /^[a-z0-9]+(?:[-._~]+[a-z0-9]+)*$/;

/** The first segment: of a registry, with its port. */
const FIRST_SEGMENT = /^[a-z0-9]+(?:[-._~]+[a-z0-9]+)*(?::[0-9]{1,5})?$/;

/**
 * Checks a prefix of image names: `example.com` or `example.com/app`.
 *
 * @throws {Failure}
 */
export function parsePrefix(text: string): TrustScope {
  const [first = "", ...others] = text.split("/");
  const fits = FIRST_SEGMENT.test(first) && others.every((segment) => SEGMENT.test(segment));
  if (text.length <= 1024 && fits) return text;
  throw new Failure(
    `prefix ${JSON.stringify(text)} is not the beginning of an image name; ` +
      `it has the form example.com or example.com/app`,
  );
}

/** The scope in words: `prefix "example.com"` or `every image`. */
export function scopeText(scope: TrustScope): string {
  return scope === ROOT ? "every image" : `prefix ${JSON.stringify(scope)}`;
}

function filesOf(directory: string): { name: string; empty: boolean }[] {
  const files: { name: string; empty: boolean }[] = [];
  try {
    for (const entry of Deno.readDirSync(directory)) {
      if (entry.isDirectory || entry.name.startsWith(".")) continue;
      const info = Deno.statSync(`${directory}/${entry.name}`);
      if (info.isFile) files.push({ name: entry.name, empty: info.size === 0 });
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw new Failure(`keystore ${directory}: ${reason(error)}`, 254, { cause: error });
  }
  return files.sort((a, b) => a.name < b.name ? -1 : 1);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a file's name says: the kind of its key, and its fingerprint. */
function namedKey(name: string): Pick<KeyFile, "kind" | "fingerprint"> {
  const isPem = name.endsWith(PEM);
  const digits = isPem ? name.slice(0, -PEM.length) : name;
  const fingerprint = isFingerprint(digits) && (!isPem || digits.length === 64)
    ? digits
    : undefined;
  return { kind: isPem ? "pem" : "openpgp", fingerprint };
}

/** The files of one scope, masked ones included. */
function scopeFiles(keystore: Keystore, scope: TrustScope): KeyFile[] {
  const local = filesOf(scopeDirectory(keystore.local, scope));
  const masks = new Set(local.filter((file) => file.empty).map((file) => file.name));
  const keyFile = (origin: "system" | "local", name: string, masked: boolean): KeyFile => ({
    path: `${scopeDirectory(keystore[origin], scope)}/${name}`,
    scope,
    origin,
    ...namedKey(name),
    masked,
  });
  const system = filesOf(scopeDirectory(keystore.system, scope)).filter((file) => !file.empty);
  return [
    ...system.map((file) => keyFile("system", file.name, masks.has(file.name))),
    ...local.map((file) => keyFile("local", file.name, file.empty)),
  ];
}

/**
 * The files that speak about a name, masked and misnamed ones included: what `rkt image trust-status`
 * shows. Keys that count are those that {@linkcode trustedKeyFiles} returns.
 */
export function keyFilesFor(keystore: Keystore, name: string): KeyFile[] {
  const scopes = FIRST_SEGMENT.test(name.split("/")[0] ?? "")
    ? scopesOf(parsePrefix(name))
    : [ROOT];
  return scopes.flatMap((scope) => scopeFiles(keystore, scope));
}

/** The files of the keys of a kind that are trusted to sign images of a name. */
export function trustedKeyFiles(
  keystore: Keystore,
  name: string,
  kind: KeyFile["kind"] = "openpgp",
): KeyFile[] {
  return keyFilesFor(keystore, name).filter((file) => file.kind === kind && isTrusted(file));
}

/** Whether a file is a key that counts. */
export function isTrusted({ masked, fingerprint }: KeyFile): boolean {
  return !masked && fingerprint !== undefined;
}

/** Every file of the keystore, by scope: the root first, then prefixes in alphabetical order. */
export function allKeyFiles(keystore: Keystore): KeyFile[] {
  const directories = [keystore.system, keystore.local]
    .map((config) => `${config}/trustedkeys/prefix.d`);
  return [ROOT, ...scopesIn(directories)].flatMap((scope) => scopeFiles(keystore, scope));
}

/**
 * The prefixes that have a directory below one of some directories, in alphabetical order.
 *
 * @throws {Failure} where a directory can't be read
 */
export function scopesIn(directories: readonly string[]): TrustScope[] {
  const prefixes = new Set<string>();
  for (const directory of directories) collectPrefixes(directory, "", prefixes);
  return [...prefixes].sort();
}

function collectPrefixes(directory: string, prefix: string, into: Set<string>): void {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(directory)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new Failure(`keystore ${directory}: ${reason(error)}`, 254, { cause: error });
  }
  for (const entry of entries) {
    const segment = prefix === "" ? FIRST_SEGMENT : SEGMENT;
    if (!entry.isDirectory || !segment.test(entry.name)) continue;
    const below = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    into.add(below);
    collectPrefixes(`${directory}/${entry.name}`, below, into);
  }
}

/** Makes directories from the local configuration down to a scope's, each 0755 whatever the umask. */
export function makeScopeDirectory(config: string, directory: string): string {
  let made = config;
  Deno.mkdirSync(made, { recursive: true, mode: 0o755 });
  for (const segment of directory.slice(config.length + 1).split("/")) {
    made += `/${segment}`;
    try {
      Deno.mkdirSync(made, { mode: 0o755 });
      Deno.chmodSync(made, 0o755);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
  return directory;
}

/** Replaces a file of the keystore, readable by all. */
function writeKeyFile(directory: string, name: string, content: string): string {
  const path = `${directory}/${name}`;
  replaceFile(path, content, { exactMode: true });
  return path;
}

/**
 * Trusts a key: writes it into the local half of the keystore (and so ends a mask of the same key).
 *
 * @param armoured the public key, in PEM for the kind `pem`; its fingerprint must be the one given
 * @returns the path of the key's file
 * @throws {Failure} when the keystore can't be written
 */
export function addKeyFile(
  keystore: Keystore,
  scope: TrustScope,
  fingerprint: Fingerprint,
  armoured: string,
  kind: KeyFile["kind"] = "openpgp",
): string {
  try {
    const name = kind === "pem" ? fingerprint + PEM : fingerprint;
    const directory = scopeDirectory(keystore.local, scope);
    return writeKeyFile(makeScopeDirectory(keystore.local, directory), name, armoured);
  } catch (error) {
    throw new Failure(`keystore ${keystore.local}: ${reason(error)}`, 254, { cause: error });
  }
}

/** How a key stopped being trusted. */
export type Revocation = "removed" | "masked" | "removed and masked";

/**
 * Ends the trust in a key for one scope: removes the local file and, where the system ships the key,
 * masks it with an empty local file.
 *
 * @throws {Failure} when the key is not trusted for that scope
 */
export function revokeKeyFile(
  keystore: Keystore,
  scope: TrustScope,
  fingerprint: Fingerprint,
): Revocation {
  const files = scopeFiles(keystore, scope).filter((file) => file.fingerprint === fingerprint);
  const local = files.find((file) => file.origin === "local" && !file.masked);
  const shipped = files.some((file) => file.origin === "system");
  const masked = files.some((file) => file.masked);
  if (local === undefined && (!shipped || masked)) {
    throw new Failure(
      `key ${fingerprint} is not trusted for ${scopeText(scope)}; rkt trust list shows what is`,
    );
  }
  try {
    if (shipped) {
      const name = files.some(({ kind }) => kind === "pem") ? fingerprint + PEM : fingerprint;
      const directory = scopeDirectory(keystore.local, scope);
      writeKeyFile(makeScopeDirectory(keystore.local, directory), name, "");
      return local === undefined ? "masked" : "removed and masked";
    }
    if (local !== undefined) Deno.removeSync(local.path);
    return "removed";
  } catch (error) {
    throw new Failure(`keystore ${keystore.local}: ${reason(error)}`, 254, { cause: error });
  }
}
