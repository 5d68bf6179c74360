/** Where the keys are that count for who calls rkt. */
import type { Keystore } from "../../trust/scopes.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";

/**
 * Root's keystore is the distribution's half and the administrator's. For another user the administrator's keys count, and the
 * user's own: those are what `rkt trust` writes.
 */
export function keystoreOf({ systemConfig, localConfig, ownKeys }: GlobalFlags): Keystore {
  return ownKeys === undefined
    ? { system: systemConfig, local: localConfig }
    : { system: localConfig, local: ownKeys };
}
