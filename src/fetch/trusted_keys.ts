/** Getting keys into the keystore: from files, URLs and discovery, each reviewed before it counts. */
import type { KeyDecision } from "../audit/events.ts";
import { discoverKeys } from "../discovery/discover.ts";
import { Failure } from "../failure.ts";
import {
  addKeyFile,
  allKeyFiles,
  isTrusted,
  type KeyFile,
  trustedKeyFiles,
} from "../trust/keystore.ts";
import { ROOT, type TrustScope } from "../trust/scopes.ts";
import {
  loadKeyFile,
  MAX_KEY_BYTES,
  mergedKey,
  type PublicKey,
  readPublicKeys,
} from "../trust/public_key.ts";
import { type FetchSession, getFile, pagesBy } from "./fetch_session.ts";
import type { HttpClient } from "../http/http_client.ts";

/** A key that was trusted, and where it lies now. */
export interface AddedKey {
  /** With what its older copies say. */
  readonly key: PublicKey;
  readonly scope: TrustScope;
  readonly path: string;
}

/** How keys that a person names are taken. */
export interface AddKeysOptions {
  readonly scope: TrustScope;
  /** Files and URLs; empty: discover them by the scope's prefix. */
  readonly locations: readonly string[];
  readonly allowHttp: boolean;
  /** Trust without asking (`--skip-fingerprint-review`). */
  readonly skipReview: boolean;
}

/**
 * Trusts keys: all of them that the reviewer agrees to.
 *
 * @returns the keys, and the copies of them for other scopes that were brought up to date
 * @throws {Failure} no key, a bad one, or one that was rejected
 */
export async function addKeys(session: FetchSession, options: AddKeysOptions): Promise<AddedKey[]> {
  const client = session.clientFor(options.allowHttp);
  const { scope, locations } = options;
  const discovered = locations.length === 0
    ? await discoveredKeys(client, scope, options.allowHttp)
    : undefined;
  const added: AddedKey[] = [];
  for (const location of discovered?.found ?? locations) {
    const { keys, encrypted } = await keysAt(client, location);
    const unasked = discovered !== undefined &&
      mayTrustUnasked(session, discovered.encrypted && encrypted);
    for (const key of keys) {
      const agreed = options.skipReview || unasked ||
        await session.settings.reviewKey({ key, prefix: scope, location });
      const by = options.skipReview ? "a flag" : unasked ? "https" : "a person";
      await recordDecision(session, key, { prefix: scope, source: location, by, agreed });
      if (!agreed) throw new Failure(`key ${key.fingerprint} from ${location}: not trusted`);
      added.push(...await addKey(session, scope, key));
    }
  }
  return added;
}

/**
 * Whether a key that discovery found counts without a review (`--trust-keys-from-https`): only if nobody on the way could
 * have put another in its place. Whoever switches that off for keys does so by a word of its own, `pubkey`.
 *
 * @param encrypted whether the page that names the key and the key itself came by https, redirects included
 */
function mayTrustUnasked(session: FetchSession, encrypted: boolean): boolean {
  const verified = !session.allows("tls") || session.allows("pubkey");
  return session.settings.trustKeysFromHttps && encrypted && verified;
}

/** What somebody has decided about a key. */
type Decision = Pick<KeyDecision, "prefix" | "source" | "by"> & { readonly agreed: boolean };

/** Records a decision, before it counts. */
async function recordDecision(
  { settings: { record } }: FetchSession,
  { fingerprint, identities }: PublicKey,
  { agreed, ...how }: Decision,
): Promise<void> {
  if (record === undefined) return;
  const { trustEvent } = await import("../audit/events.ts");
  const [identity = ""] = identities;
  const decision = agreed ? "trusted" : "refused";
  await record(trustEvent({ decision, fingerprint, identity, ...how }));
}

/** Writes a key for a scope, and what it says of itself into its copies for other scopes. */
async function addKey(
  session: FetchSession,
  scope: TrustScope,
  key: PublicKey,
): Promise<AddedKey[]> {
  const { keystore } = session.settings;
  const copies = await copiesOf(key, allKeyFiles(keystore));
  const merged = await mergedKey([key, ...copies.map((copy) => copy.key)]);
  const { fingerprint, armoured } = merged;
  const add = (scope: TrustScope) => ({
    key: merged,
    scope,
    path: addKeyFile(keystore, scope, fingerprint, armoured),
  });
  const old = copies.filter(({ file, key }) =>
    file.scope !== scope && isTrusted(file) && key.armoured !== armoured
  );
  return [add(scope), ...[...new Set(old.map(({ file }) => file.scope))].map(add)];
}

/** The readable copies of a key. A damaged one says nothing, and is replaced where it lies in the way. */
async function copiesOf(
  { fingerprint }: PublicKey,
  files: readonly KeyFile[],
): Promise<{ readonly file: KeyFile; readonly key: PublicKey }[]> {
  const copies: { file: KeyFile; key: PublicKey }[] = [];
  for (const file of files) {
    if (file.fingerprint !== fingerprint || (file.masked && file.origin === "local")) continue;
    try {
      copies.push({ file, key: await loadKeyFile(file) });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return copies;
}

/** Keys, and how they came. */
interface FoundKeys {
  readonly keys: readonly PublicKey[];
  /** Whether all requests for them were https. */
  readonly encrypted: boolean;
}

/** The keys in a file or at a URL. */
export async function keysAt(client: HttpClient, location: string): Promise<FoundKeys> {
  if (/^https?:\/\//i.test(location)) {
    const { bytes, encrypted } = await getFile(client, location, MAX_KEY_BYTES);
    return { keys: await readPublicKeys(bytes, location), encrypted };
  }
  try {
    const { size, isFile } = Deno.statSync(location);
    if (isFile && size > MAX_KEY_BYTES) throw new Error(`larger than ${MAX_KEY_BYTES} bytes`);
    const keys = await readPublicKeys(Deno.readFileSync(location), location);
    return { keys, encrypted: false };
  } catch (error) {
    if (error instanceof Failure) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(`key ${location}: ${missing ? "no such file" : reason}`, 254, {
      cause: error,
    });
  }
}

async function discoveredKeys(
  client: HttpClient,
  scope: TrustScope,
  allowHttp: boolean,
): Promise<{ readonly found: readonly string[]; readonly encrypted: boolean }> {
  if (scope === ROOT) {
    throw new Failure("--root needs a KEY: keys can be discovered for a prefix only");
  }
  const discovered = await discoverKeys(scope, { getPage: pagesBy(client), allowHttp });
  if (discovered.found.length > 0) return discovered;
  const first = discovered.steps[0];
  throw new Failure(
    `no keys were discovered for prefix ${JSON.stringify(scope)}: ${first?.url}: ${first?.outcome}`,
  );
}

/**
 * Looks for the keys of an image that no key is trusted for, and offers them for review. That none
 * are found, or that nobody can be asked, is said and no more: the signature will be refused.
 */
export async function offerDiscoveredKeys(session: FetchSession, name: string): Promise<void> {
  const { keystore, message, reviewKey } = session.settings;
  if (trustedKeyFiles(keystore, name).length > 0) return;
  // Who may be anyone must not choose whom to trust, unless that is asked for by its own word.
  if (session.allows("tls") && !session.allows("pubkey")) return;
  const allowHttp = session.allows("pubkey") && session.allows("http");
  const client = session.keyClient;
  try {
    const discovered = await discoverKeys(name, { getPage: pagesBy(client), allowHttp });
    for (const location of discovered.found) {
      const { keys, encrypted } = await keysAt(client, location);
      const unasked = mayTrustUnasked(session, discovered.encrypted && encrypted);
      for (const key of keys) {
        const agreed = unasked || await reviewKey({ key, prefix: name, location });
        const by = unasked ? "https" : "a person";
        await decide(session, name, key, { source: location, by, agreed });
      }
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    message(`no key was added for ${name}: ${error.message}`);
  }
}

/** Records a decision about a key for a name, and adds the key where it is trusted. */
async function decide(
  session: FetchSession,
  name: string,
  key: PublicKey,
  decision: Omit<Decision, "prefix">,
): Promise<void> {
  await recordDecision(session, key, { prefix: name, ...decision });
  if (!decision.agreed) return;
  for (const { scope, path } of await addKey(session, name, key)) {
    session.settings.message(`added key ${key.fingerprint} for prefix "${scope}" at "${path}"`);
  }
}

/**
 * Offers keys that came together with an image for review, where none is trusted for its name. That nobody agrees, or can be
 * asked, is said and no more: the signature will be refused.
 *
 * @param location a file
 */
export async function offerKeysOf(
  session: FetchSession,
  name: string,
  location: string,
): Promise<void> {
  const { keystore, message, reviewKey } = session.settings;
  if (session.allows("image") || trustedKeyFiles(keystore, name).length > 0) return;
  try {
    for (const key of (await keysAt(session.client, location)).keys) {
      const agreed = await reviewKey({ key, prefix: name, location });
      await decide(session, name, key, { source: location, by: "a person", agreed });
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    message(`no key was added for ${name}: ${error.message}`);
  }
}
