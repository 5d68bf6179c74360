import { parseFingerprint } from "../../trust/fingerprint.ts";
import { type Revocation, revokeKeyFile, scopeText } from "../../trust/keystore.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { trustScope } from "../request/trust_scope.ts";

const DONE: Readonly<Record<Revocation, string>> = {
  removed: "its file was removed",
  masked: "the system's key is masked",
  "removed and masked": "its file was removed, and the system's key is masked",
};

/** `rkt trust revoke`: a key no longer counts for a prefix, or for every image. */
export default function trustRevoke({ args, flags, global }: Invocation): Promise<number> {
  const scope = trustScope(flags);
  const fingerprint = parseFingerprint(args[0] ?? "");
  const keystore = { system: global.systemConfig, local: global.localConfig };
  const revocation = revokeKeyFile(keystore, scope, fingerprint);
  printLine(`Key ${fingerprint} is no longer trusted for ${scopeText(scope)}: ${DONE[revocation]}`);
  return Promise.resolve(0);
}
