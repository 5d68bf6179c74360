/** `rkt identity bundle`: prints what verifies the documents of this host's pods. */
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { hostKeys } from "../../identity/host_keys.ts";
import { hostSecret, secretPath } from "../../identity/host_secret.ts";
import { defaultTrustDomain, parseTrustDomain } from "../../identity/pod_identity.ts";
import { bundle } from "../../identity/tokens.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";

/** Runs the command. */
export default function run({ flags, global }: Invocation): Promise<number> {
  if (Deno.uid() !== 0) throw new Failure("identity bundle needs root; try it with sudo");
  if (!exists(secretPath(global.dir))) {
    throw new Failure("this host has no secret yet: `rkt metadata-service` makes it");
  }
  const named = flags.text("trust-domain");
  const domain = named === undefined
    ? defaultTrustDomain(Deno.hostname())
    : parseTrustDomain(named);
  printLine(bundle(hostKeys(hostSecret(global.dir)), domain));
  return Promise.resolve(0);
}
