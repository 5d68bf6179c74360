import type { ByteSource } from "../aci/bytes/source.ts";
import { firstBytes, prependedSource } from "../aci/bytes/source.ts";
import type { Decryptors } from "../trust/session_keys.ts";
import type { FetchSession } from "./fetch_session.ts";

/** What a host without keys has. */
export const NOTHING: Decryptors = { keys: [], passphrases: [], pem: [] };

/** Whether bytes may begin an OpenPGP message: those of archives have no high bit, but xz's, which is another one. */
const mayBeEncrypted = (head: Uint8Array): boolean =>
  ((head[0] ?? 0) & 0x80) !== 0 && head[0] !== 0xfd;

/**
 * An image as it is, or decrypted by the host's keys where it is encrypted. What is read of it counts only when all was read.
 */
export async function decryptedImage(
  { settings: { decryptors } }: FetchSession,
  source: ByteSource,
): Promise<ByteSource> {
  const head = (await firstBytes(source, 1)).slice();
  const whole = prependedSource(head, source);
  const between = source.between !== undefined && { between: source.between.bind(source) };
  if (!mayBeEncrypted(head)) return { ...whole, ...between };
  const { decryptedIfNeeded } = await import("../openpgp/decrypt.ts");
  const plain = await decryptedIfNeeded(whole, async (packets) => {
    const { findSessionKey } = await import("../trust/session_keys.ts");
    const by = await decryptors?.() ?? NOTHING;
    return await findSessionKey(source.name, packets, by);
  });
  return { ...plain, ...between };
}
