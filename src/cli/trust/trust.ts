import { FetchSession } from "../../fetch/fetch_session.ts";
import { addKeys } from "../../fetch/trusted_keys.ts";
import { scopeText } from "../../trust/keystore.ts";
import type { Invocation } from "../grammar/command.ts";
import { fetchSettings } from "../request/fetch_settings.ts";
import { keyText, reviewKey } from "../request/key_review.ts";
import { print, printLine } from "../print/output.ts";
import { trustScope } from "../request/trust_scope.ts";

/** `rkt trust`: adds keys to the keystore, each after a review. */
export default async function trust({ args, flags, global }: Invocation): Promise<number> {
  const scope = trustScope(flags);
  const skipReview = flags.on("skip-fingerprint-review");
  const signing = flags.all("key");
  if (signing.length > 0) {
    const { addSigningKeys } = await import("../request/signing_keys.ts");
    await addSigningKeys({ global, scope, locations: signing, skipReview });
    // Without a KEY, keys are discovered; but one was given.
    if (args.length === 0) return 0;
  }
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
  return 0;
}
