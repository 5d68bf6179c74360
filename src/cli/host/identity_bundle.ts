/** `rkt identity bundle`: prints what verifies the documents of this host's pods. */
import { Failure } from "../../failure.ts";
import { bundle } from "../../identity/bundle.ts";
import { hostKeys } from "../../identity/host_keys.ts";
import { hasSecret, hostSecret } from "../../identity/host_secret.ts";
import { defaultTrustDomain, parseTrustDomain } from "../../identity/pod_identity.ts";
import { IDENTITY_BUNDLE } from "../../metadata/places.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";

/** Runs the command. */
export default function run({ flags, global }: Invocation): Promise<number> {
  const named = flags.text("trust-domain");
  // What the service has said of itself has the secret and the trust domain that it uses.
  const published = named === undefined ? readPublished() : undefined;
  printLine(published ?? derived(global.dir, named));
  return Promise.resolve(0);
}

/** The bundle of the service, which root has written. */
function readPublished(): string | undefined {
  try {
    using file = Deno.openSync(IDENTITY_BUNDLE);
    const { uid, size } = file.statSync();
    if (uid !== 0) return undefined;
    const bytes = new Uint8Array(size);
    file.readSync(bytes);
    return new TextDecoder().decode(bytes).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function derived(dataDir: string, named: string | undefined): string {
  if (Deno.uid() !== 0) throw new Failure("identity bundle needs root; try it with sudo");
  if (!hasSecret(dataDir)) {
    throw new Failure("this host has no secret yet: `rkt metadata-service` makes it");
  }
  const domain = named === undefined
    ? defaultTrustDomain(Deno.hostname())
    : parseTrustDomain(named);
  return bundle(hostKeys(hostSecret(dataDir)), domain);
}
