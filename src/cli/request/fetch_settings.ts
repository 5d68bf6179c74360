/** What commands that fetch hand to src/fetch: directories, permissions, and where messages go. */
import { keystoreOf } from "./keystore.ts";
import type { FetchSettings } from "../../fetch/fetch_session.ts";
import type { Progress } from "../../fetch/progress.ts";
import { parseQuantity, wholeUnits } from "../../appc/quantity.ts";
import { printableLine } from "../../linux/printable.ts";
import { Store } from "../../store/store.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";

const encoder = new TextEncoder();

/** Writes to standard error. */
function tell(text: string): void {
  Deno.stderr.writeSync(encoder.encode(text));
}

/**
 * The settings for fetching. `rkt run` loads this file, so rarely needed code is imported lazily.
 *
 * @param store default: the one of the global flags
 */
export function fetchSettings(
  global: GlobalFlags,
  store: Store = new Store(global.dir),
): FetchSettings {
  const { systemConfig, localConfig, userConfig, caFile, maxSize } = global;
  let message = (line: string) => tell(`image: ${printableLine(line)}\n`);
  return {
    store,
    keystore: keystoreOf(global),
    config: {
      system: systemConfig,
      local: localConfig,
      ...userConfig !== undefined && { user: userConfig },
    },
    insecure: global.insecureOptions,
    trustKeysFromHttps: global.trustKeysFromHttps,
    ...caFile !== undefined && { caFile },
    ...maxSize !== undefined && {
      maxSize: Number(wholeUnits(parseQuantity(maxSize, "--max-size"))),
    },
    reviewKey: async (question) => {
      const { reviewKey } = await import("./key_review.ts");
      return reviewKey(question, tell);
    },
    message: (line) => message(line),
    decryptors: async () => {
      const { hostDecryptors } = await import("./decryptors.ts");
      return await hostDecryptors(global);
    },
    record: async (event) => {
      const { audit } = await import("./audit.ts");
      audit(global, event);
    },
    ...global.debug && { debug: (line: string) => message(line) },
    openProgress: async (): Promise<Progress> => {
      const { quietProgress, terminalProgress } = await import("../../fetch/progress.ts");
      if (!Deno.stderr.isTerminal()) return quietProgress((line) => message(line));
      const progress = terminalProgress(tell, () => Deno.consoleSize().columns);
      message = (line) => progress.message(`image: ${printableLine(line)}`);
      return progress;
    },
  };
}
