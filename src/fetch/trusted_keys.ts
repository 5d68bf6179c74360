/** Getting keys into the keystore: from files, URLs and discovery, each reviewed before it counts. */
import { discoverKeys } from "../discovery/discover.ts";
import { Failure } from "../failure.ts";
import { addKeyFile, ROOT, trustedKeyFiles, type TrustScope } from "../trust/keystore.ts";
import { MAX_KEY_BYTES, type PublicKey, readPublicKeys } from "../trust/public_key.ts";
import { type FetchSession, getFile, pagesBy } from "./fetch_session.ts";
import type { HttpClient } from "./http_client.ts";

/** A key that was trusted, and where it lies now. */
export interface AddedKey {
  readonly key: PublicKey;
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
 * @throws {Failure} no key, a bad one, or one that was rejected
 */
export async function addKeys(session: FetchSession, options: AddKeysOptions): Promise<AddedKey[]> {
  const client = session.clientFor(options.allowHttp);
  const { scope } = options;
  const found = options.locations.length > 0
    ? options.locations
    : await discoveredKeys(client, scope, options.allowHttp);
  const added: AddedKey[] = [];
  for (const location of found) {
    const discovered = options.locations.length === 0;
    const trusted = options.skipReview ||
      (discovered && session.settings.trustKeysFromHttps && location.startsWith("https:"));
    for (const key of await keysAt(client, location)) {
      const agreed = trusted || await session.settings.reviewKey({ key, prefix: scope, location });
      if (!agreed) throw new Failure(`key ${key.fingerprint} from ${location}: not trusted`);
      added.push(addKey(session, scope, key));
    }
  }
  return added;
}

function addKey(session: FetchSession, scope: TrustScope, key: PublicKey): AddedKey {
  const path = addKeyFile(session.settings.keystore, scope, key.fingerprint, key.armoured);
  return { key, path };
}

/** The keys in a file or at a URL. */
export async function keysAt(client: HttpClient, location: string): Promise<PublicKey[]> {
  if (/^https?:\/\//i.test(location)) {
    return await readPublicKeys(await getFile(client, location, MAX_KEY_BYTES), location);
  }
  try {
    const { size, isFile } = Deno.statSync(location);
    if (isFile && size > MAX_KEY_BYTES) throw new Error(`larger than ${MAX_KEY_BYTES} bytes`);
    return await readPublicKeys(Deno.readFileSync(location), location);
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
): Promise<readonly string[]> {
  if (scope === ROOT) {
    throw new Failure("--root needs a KEY: keys can be discovered for a prefix only");
  }
  const { found, steps } = await discoverKeys(scope, { getPage: pagesBy(client), allowHttp });
  if (found.length > 0) return found;
  const first = steps[0];
  throw new Failure(
    `no keys were discovered for prefix ${JSON.stringify(scope)}: ${first?.url}: ${first?.outcome}`,
  );
}

/**
 * Looks for the keys of an image that no key is trusted for, and offers them for review. That none
 * are found, or that nobody can be asked, is said and no more: the signature will be refused.
 */
export async function offerDiscoveredKeys(session: FetchSession, name: string): Promise<void> {
  const { keystore, message, reviewKey, trustKeysFromHttps } = session.settings;
  if (trustedKeyFiles(keystore, name).length > 0) return;
  // Who may be anyone must not choose whom to trust, unless that is asked for by its own word.
  if (session.allows("tls") && !session.allows("pubkey")) return;
  const allowHttp = session.allows("pubkey") && session.allows("http");
  const client = session.keyClient;
  try {
    const options = { getPage: pagesBy(client), allowHttp };
    for (const location of (await discoverKeys(name, options)).found) {
      for (const key of await keysAt(client, location)) {
        const automatic = trustKeysFromHttps && location.startsWith("https:");
        if (!automatic && !await reviewKey({ key, prefix: name, location })) continue;
        const { path } = addKey(session, name, key);
        message(`added key ${key.fingerprint} for prefix "${name}" at "${path}"`);
      }
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    message(`no key was added for ${name}: ${error.message}`);
  }
}
