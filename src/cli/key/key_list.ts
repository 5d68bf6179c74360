/** `rkt key list`: the keys that `rkt key generate` has made. */
import type { Invocation } from "../grammar/command.ts";
import { jsonText } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { table } from "../print/table.ts";
import { keysDirectory, ownKeys } from "../request/own_keys.ts";

export default async function keyList({ flags }: Invocation): Promise<number> {
  const keys = (await ownKeys(keysDirectory(flags))).map((
    { fingerprint, identities, created },
  ) => ({
    fingerprint,
    identities,
    created: created.toISOString(),
  }));
  const format = flags.text("format");
  if (format !== undefined) {
    printLines(jsonText(keys, format === "json-pretty"));
    return 0;
  }
  const rows = keys.map(({ fingerprint, identities, created }) => [
    ...[fingerprint, created.slice(0, 10), identities.join(", ")],
  ]);
  print(table(flags.on("no-legend") ? rows : [["FINGERPRINT", "CREATED", "IDENTITY"], ...rows]));
  return 0;
}
