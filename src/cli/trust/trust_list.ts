import { keystoreOf } from "../request/keystore.ts";
import { type Acceptance, allAcceptances } from "../../trust/accepted_wishes.ts";
import { allKeyFiles } from "../../trust/keystore.ts";
import { ROOT, type TrustScope } from "../../trust/scopes.ts";
import type { Invocation } from "../grammar/command.ts";
import { keyEntries, keyEntryJson } from "../print/key_entries.ts";
import { jsonText } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { table } from "../print/table.ts";

/** `rkt trust list`: every key of the keystore and all that is accepted of images, and whether it counts. */
export default async function trustList({ flags, global }: Invocation): Promise<number> {
  const keystore = keystoreOf(global);
  const entries = await keyEntries(allKeyFiles(keystore));
  const accepted = allAcceptances(keystore);
  const format = flags.text("format");
  if (format !== undefined) {
    printLines(
      jsonText(
        [...entries.map(keyEntryJson), ...accepted.map(acceptanceJson)],
        format === "json-pretty",
      ),
    );
    return 0;
  }
  const keys = entries.map(({ file, key, signingKey, state }) => [
    scopeCell(file.scope),
    file.fingerprint ?? file.path,
    key?.algorithm ?? signingKey?.algorithm ?? "-",
    file.origin,
    state,
    key?.identities[0] ?? (file.kind === "pem" ? "(cosign)" : "-"),
  ]);
  const rows = [
    ...keys,
    ...accepted.map((each) => [
      ...[scopeCell(each.scope), "-", "-", each.origin, stateOf(each)],
      "(what images ask for)",
    ]),
  ];
  const legend = ["PREFIX", "FINGERPRINT", "ALGORITHM", "FROM", "STATE", "IDENTITY"];
  print(table(flags.on("no-legend") ? rows : [legend, ...rows]));
  return 0;
}

function scopeCell(scope: TrustScope): string {
  return scope === ROOT ? "(every image)" : scope;
}

function stateOf({ masked }: Acceptance): string {
  return masked ? "masked by an empty local file" : "accepted";
}

/** One entry for programs. It has no fingerprint. */
function acceptanceJson(acceptance: Acceptance): object {
  const { scope, origin, path } = acceptance;
  return {
    scope: scope === ROOT ? "root" : "prefix",
    prefix: scope === ROOT ? undefined : scope,
    kind: "accept-isolators",
    origin,
    path,
    trusted: false,
    state: stateOf(acceptance),
  };
}
