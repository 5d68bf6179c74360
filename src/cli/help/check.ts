import { Failure } from "../../failure.ts";
import { isNamespaceRoot } from "../../linux/own_users.ts";
import { type Finding, findingsInside, findingsOutside } from "../../rootless/check.ts";
import { print } from "../print/output.ts";
import { table } from "../print/table.ts";
import { goOnAsRoot } from "../request/rootless.ts";
import type { Invocation } from "../grammar/command.ts";

/** `rkt check --rootless`: what users other than root need to run pods, and what of it is there. */
export default async function run({ flags, global }: Invocation): Promise<number> {
  if (!flags.on("rootless")) throw new Failure("say what to check: --rootless");
  if (isNamespaceRoot()) return show(await findingsInside(global.dir));
  const uid = Deno.uid() ?? 0;
  if (uid === 0) {
    throw new Failure("--rootless is for users other than root; call it as one of them");
  }
  const status = show(findingsOutside(uid, Deno.gid() ?? 0));
  if (status !== 0) return status;
  return await goOnAsRoot(uid);
}

function show(findings: readonly Finding[]): number {
  const words = { ok: "ok", less: "less", no: "no" } as const;
  print(table(findings.map(({ subject, state, text }) => [words[state], subject, text])));
  return findings.some(({ state }) => state === "no") ? 1 : 0;
}
