/** What decrypts images here. */
import type { Decryptors } from "../../trust/session_keys.ts";
import type { FetchSession } from "../fetch_session.ts";

/** What a host without keys has. */
export const NOTHING: Decryptors = { keys: [], passphrases: [], pem: [] };

/** What the host has. */
export async function hostDecryptors({ settings }: FetchSession): Promise<Decryptors> {
  return await settings.decryptors?.() ?? NOTHING;
}
