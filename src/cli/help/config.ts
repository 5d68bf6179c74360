import { readConfig } from "../../config/config.ts";
import { configJson } from "../../config/settings.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";

/** `rkt config`: the merged configuration. */
export default function config({ flags, global }: Invocation): Promise<number> {
  const entries = readConfig({
    system: global.systemConfig,
    local: global.localConfig,
    ...global.userConfig !== undefined && { user: global.userConfig },
  });
  const indent = flags.on("pretty-print") ? "\t" : undefined;
  printLine(JSON.stringify(configJson(entries), undefined, indent));
  return Promise.resolve(0);
}
