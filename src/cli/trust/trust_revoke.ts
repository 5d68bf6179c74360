import { keystoreOf } from "../request/keystore.ts";
import { trustEvent } from "../../audit/events.ts";
import { Failure } from "../../failure.ts";
import { parseFingerprint } from "../../trust/fingerprint.ts";
import { type Revocation, revokeKeyFile, scopeText } from "../../trust/keystore.ts";
import type { Invocation } from "../grammar/command.ts";
import { audit } from "../request/audit.ts";
import { printLine } from "../print/output.ts";
import { trustScope } from "../request/trust_scope.ts";

const DONE: Readonly<Record<Revocation, string>> = {
  removed: "its file was removed",
  masked: "the system's key is masked",
  "removed and masked": "its file was removed, and the system's key is masked",
};

const TAKEN_BACK: Readonly<Record<Revocation, string>> = {
  removed: "the file was removed",
  masked: "the system's decision is masked",
  "removed and masked": "the file was removed, and the system's decision is masked",
};

/** `rkt trust revoke`: a key, or what was accepted, no longer counts for a prefix, or for every image. */
export default async function trustRevoke({ args, flags, global }: Invocation): Promise<number> {
  const scope = trustScope(flags);
  const keystore = keystoreOf(global);
  const [key] = args;
  if (flags.on("accept-isolators")) {
    if (key !== undefined) {
      throw new Failure("either a FINGERPRINT or --accept-isolators is taken back at a time");
    }
    const { revokeAcceptance } = await import("../../trust/accepted_wishes.ts");
    const said = { decision: "isolators revoked", prefix: scope, by: "a person" } as const;
    audit(global, trustEvent({ ...said, fingerprint: "", identity: "" }));
    const done = TAKEN_BACK[revokeAcceptance(keystore, scope)];
    printLine(`What images ask for is no longer accepted for ${scopeText(scope)}: ${done}`);
    return 0;
  }
  if (key === undefined) {
    throw new Failure("the FINGERPRINT of a key or --accept-isolators is needed");
  }
  const fingerprint = parseFingerprint(key);
  const said = { decision: "revoked", prefix: scope, by: "a person" } as const;
  audit(global, trustEvent({ ...said, fingerprint, identity: "" }));
  const revocation = revokeKeyFile(keystore, scope, fingerprint);
  printLine(`Key ${fingerprint} is no longer trusted for ${scopeText(scope)}: ${DONE[revocation]}`);
  return 0;
}
