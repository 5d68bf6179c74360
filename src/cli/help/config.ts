import { readConfig } from "../../config/config.ts";
import { configJson } from "../../config/settings.ts";
import type { Invocation } from "../grammar/command.ts";
import { escapedInJson } from "../../linux/printable.ts";
import { printLines } from "../print/output.ts";

/** Names of fields whose values are nobody's business who looks over a shoulder, or reads a bug report. */
const SECRETS: ReadonlySet<string> = new Set(["password", "token", "secretAccessKey"]);

const hideSecrets = (name: string, value: unknown): unknown =>
  SECRETS.has(name) && typeof value === "string" ? "********" : value;

/** `rkt config`: the merged configuration. */
export default function config({ flags, global }: Invocation): Promise<number> {
  const entries = readConfig({
    system: global.systemConfig,
    local: global.localConfig,
    ...global.userConfig !== undefined && { user: global.userConfig },
  });
  const indent = flags.on("pretty-print") ? "\t" : undefined;
  const replace = flags.on("secrets") ? undefined : hideSecrets;
  printLines(escapedInJson(JSON.stringify(configJson(entries), replace, indent)));
  return Promise.resolve(0);
}
