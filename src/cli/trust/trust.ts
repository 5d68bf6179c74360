import { keystoreOf } from "../request/keystore.ts";
import { trustEvent } from "../../audit/events.ts";
import { FetchSession } from "../../fetch/fetch_session.ts";
import { addKeys } from "../../fetch/trusted_keys.ts";
import { isTrusted, keyFilesFor, scopeText } from "../../trust/keystore.ts";
import { ROOT, type TrustScope } from "../../trust/scopes.ts";
import type { Invocation } from "../grammar/command.ts";
import { audit } from "../request/audit.ts";
import { fetchSettings } from "../request/fetch_settings.ts";
import { keyText, reviewKey } from "../request/key_review.ts";
import { print, printLine } from "../print/output.ts";
import { trustScope } from "../request/trust_scope.ts";

/** `rkt trust`: adds keys to the keystore, each after a review, and remembers what is accepted of images. */
export default async function trust(invocation: Invocation): Promise<number> {
  const scope = trustScope(invocation.flags);
  await trustKeys(invocation, scope);
  if (!invocation.flags.on("accept-isolators")) return 0;
  const { addAcceptance } = await import("../../trust/accepted_wishes.ts");
  const said = { decision: "isolators accepted", prefix: scope, by: "a person" } as const;
  audit(invocation.global, trustEvent({ ...said, fingerprint: "", identity: "" }));
  const path = addAcceptance(keystoreOf(invocation.global), scope);
  printLine(
    `Signed images get what they ask for beyond the default: ${scopeText(scope)}, at "${path}"`,
  );
  return 0;
}

/** Whether nothing is said of keys, and none is needed: only what images ask for is to be accepted. */
function needsNoKey(invocation: Invocation, scope: TrustScope): boolean {
  const { args, flags } = invocation;
  if (args.length > 0 || !flags.on("accept-isolators")) return false;
  const keystore = keystoreOf(invocation.global);
  return scope === ROOT || keyFilesFor(keystore, scope).some(isTrusted);
}

async function trustKeys(invocation: Invocation, scope: TrustScope): Promise<void> {
  const { args, flags, global } = invocation;
  const skipReview = flags.on("skip-fingerprint-review");
  const signing = flags.all("key");
  if (signing.length > 0) {
    const { addSigningKeys } = await import("../request/signing_keys.ts");
    await addSigningKeys({ global, scope, locations: signing, skipReview });
    // Without a KEY, keys are discovered; but one was given.
    if (args.length === 0) return;
  }
  if (needsNoKey(invocation, scope)) return;
  using session = new FetchSession({
    ...fetchSettings(global),
    reviewKey: (question) => Promise.resolve(reviewKey(question, print)),
  });
  const added = await addKeys(session, {
    scope,
    locations: args,
    allowHttp: flags.on("insecure-allow-http"),
    skipReview,
  });
  for (const { key, path, ...at } of added) {
    // Reports a revocation that only an older copy of the key knows.
    if (skipReview || key.revoked) print(keyText(key));
    printLine(`Added key for ${scopeText(at.scope)} at "${path}"`);
  }
}
