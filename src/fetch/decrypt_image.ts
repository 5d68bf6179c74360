import type { ByteSource } from "../aci/bytes/source.ts";
import { firstBytes, prependedSource } from "../aci/bytes/source.ts";
import type { SessionKey } from "../openpgp/session_key.ts";
import { hostDecryptors } from "./trust/host_decryptors.ts";
import type { FetchSession } from "./fetch_session.ts";

/** Whether bytes may begin an OpenPGP message: those of archives have no high bit, but xz's, which is another one. */
const mayBeEncrypted = (head: Uint8Array): boolean =>
  ((head[0] ?? 0) & 0x80) !== 0 && head[0] !== 0xfd;

/**
 * An image as it is, or decrypted where it is encrypted. What is read of it counts only when all was read.
 *
 * @param secret the URL of what decrypts it, where its page names one: it is asked where the host's keys do not fit
 */
export async function decryptedImage(
  session: FetchSession,
  source: ByteSource,
  secret: string | undefined,
): Promise<ByteSource> {
  const head = (await firstBytes(source, 1)).slice();
  const whole = prependedSource(head, source);
  const between = source.between !== undefined && { between: source.between.bind(source) };
  if (!mayBeEncrypted(head)) return { ...whole, ...between };
  const { decryptedIfNeeded } = await import("../openpgp/decrypt.ts");
  const plain = await decryptedIfNeeded(
    whole,
    (packets) => sessionKey(session, source.name, packets, secret),
  );
  return { ...plain, ...between };
}

async function sessionKey(
  session: FetchSession,
  name: string,
  packets: Uint8Array<ArrayBuffer>,
  secret: string | undefined,
): Promise<SessionKey> {
  const { findSessionKey, NoRecipient } = await import("../trust/session_keys.ts");
  try {
    return await findSessionKey(name, packets, await hostDecryptors(session));
  } catch (error) {
    if (secret === undefined || !(error instanceof NoRecipient)) throw error;
  }
  const { discoveredSecret } = await import("./trust/discovered_secret.ts");
  const key = await findSessionKey(name, packets, await discoveredSecret(session, secret));
  session.settings.message(`decrypted by the key of ${secret}`);
  return key;
}
