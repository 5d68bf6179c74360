/** Adds keys of cosign to the keystore (`rkt trust --key`). */
import { keystoreOf } from "./keystore.ts";
import { trustEvent } from "../../audit/events.ts";
import { Failure } from "../../failure.ts";
import { addKeyFile, scopeText } from "../../trust/keystore.ts";
import type { TrustScope } from "../../trust/scopes.ts";
import {
  isPem,
  MAX_PEM_BYTES,
  readSigningKey,
  type SigningKey,
} from "../../trust/image/signing_key.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { print, printLine } from "../print/output.ts";
import { audit } from "./audit.ts";
import { reviewSigningKey } from "./key_review.ts";

/** Which keys, and for what. */
export interface SigningKeysRequest {
  readonly global: GlobalFlags;
  readonly scope: TrustScope;
  /** Files. */
  readonly locations: readonly string[];
  /** Trust without asking (`--skip-fingerprint-review`). */
  readonly skipReview: boolean;
}

/**
 * Trusts keys: each is reviewed before the first is written.
 *
 * @throws {Failure} no key, a bad one, or one that was rejected
 */
export function addSigningKeys({ global, scope, locations, skipReview }: SigningKeysRequest): void {
  const keys = locations.map((location) => ({ location, key: keyIn(location) }));
  for (const { location, key } of keys) {
    const agreed = skipReview || reviewSigningKey(key, { prefix: scope, location }, print);
    audit(
      global,
      trustEvent({
        decision: agreed ? "trusted" : "refused",
        fingerprint: key.fingerprint,
        identity: "",
        prefix: scope,
        source: location,
        by: skipReview ? "a flag" : "a person",
      }),
    );
    if (agreed) continue;
    throw new Failure(`key ${key.fingerprint} from ${location}: not trusted`);
  }
  const keystore = keystoreOf(global);
  for (const { key: { fingerprint, algorithm, pem } } of keys) {
    const path = addKeyFile(keystore, scope, fingerprint, pem, "pem");
    printLine(`Added ${algorithm} key ${fingerprint} for ${scopeText(scope)} at "${path}"`);
  }
}

function keyIn(location: string): SigningKey {
  let text: string;
  try {
    const { size, isFile } = Deno.statSync(location);
    if (isFile && size > MAX_PEM_BYTES) throw new Error(`larger than ${MAX_PEM_BYTES} bytes`);
    text = Deno.readTextFileSync(location);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(`key ${location}: ${missing ? "no such file" : reason}`, 254, {
      cause: error,
    });
  }
  if (isPem(text) || !text.includes("-----BEGIN PGP ")) return readSigningKey(text, location);
  throw new Failure(`key ${location}: an OpenPGP key, which is given without --key`);
}
