import { allKeyFiles } from "../../trust/keystore.ts";
import type { Invocation } from "../grammar/command.ts";
import { keyEntries, keyEntryJson } from "../print/key_entries.ts";
import { jsonText } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { table } from "../print/table.ts";

/** `rkt trust list`: every key of the keystore, and whether it counts. */
export default async function trustList({ flags, global }: Invocation): Promise<number> {
  const files = allKeyFiles({ system: global.systemConfig, local: global.localConfig });
  const entries = await keyEntries(files);
  const format = flags.text("format");
  if (format !== undefined) {
    printLines(jsonText(entries.map(keyEntryJson), format === "json-pretty"));
    return 0;
  }
  const rows = entries.map(({ file, key, signingKey, state }) => [
    file.scope === "" ? "(every image)" : file.scope,
    file.fingerprint ?? file.path,
    key?.algorithm ?? signingKey?.algorithm ?? "-",
    file.origin,
    state,
    key?.identities[0] ?? (file.kind === "pem" ? "(cosign)" : "-"),
  ]);
  const legend = ["PREFIX", "FINGERPRINT", "ALGORITHM", "FROM", "STATE", "IDENTITY"];
  print(table(flags.on("no-legend") ? rows : [legend, ...rows]));
  return 0;
}
