/** `rkt identity seal`: has the secret of this host's identities kept by its TPM. */
import { Failure } from "../../failure.ts";
import { sealHostSecret } from "../../identity/host_secret.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";

/** `sha256:0,7`, several of them joined by `+` (tpm2-tools, "PCR bank specifiers"). */
const PCRS = /^[a-z0-9_]+:\d+(,\d+)*(\+[a-z0-9_]+:\d+(,\d+)*)*$/;

/** Runs the command. */
export default async function run({ flags, global }: Invocation): Promise<number> {
  if (Deno.uid() !== 0) throw new Failure("identity seal needs root; try it with sudo");
  const pcrs = flags.text("pcrs");
  if (pcrs !== undefined && !PCRS.test(pcrs)) {
    throw new Failure(`--pcrs: ${JSON.stringify(pcrs)} is no list of registers, like sha256:0,7`);
  }
  printLine(`sealed in the TPM: ${await sealHostSecret(global.dir, pcrs)}`);
  return 0;
}
