/**
 * What decrypts an image, from where its page of discovery says. That is an extension of rkt's: the tag `ac-discovery-keys`, whose
 * value is a template like that of `ac-discovery`. The server asks who it is (`auth.d` has the credentials), and answers with an
 * armoured secret key, or with a passphrase. It is used once, and kept nowhere.
 */
import { Failure } from "../../failure.ts";
import { getSmall } from "../../http/http_client.ts";
import type { Decryptors } from "../../trust/session_keys.ts";
import type { FetchSession } from "../fetch_session.ts";
import { NOTHING } from "./host_decryptors.ts";

/** Bytes of a secret at most. */
const MOST_SECRET = 1 << 16;

/**
 * Asks for the secret of an image.
 *
 * @returns nothing to decrypt with where the server has none
 * @throws {Failure} no https, not allowed, or what comes is neither a key nor a passphrase
 */
export async function discoveredSecret(session: FetchSession, url: string): Promise<Decryptors> {
  const wrong = (why: string) => new Failure(`decryption key ${url}: ${why}`);
  if (new URL(url).protocol !== "https:") throw wrong("a secret is asked for by https only");
  const { status, statusText, bytes, encrypted } = await getSmall(
    session.keyClient,
    url,
    MOST_SECRET,
  );
  if (!encrypted) throw wrong("it led to http, and whoever listened there knows the secret");
  if (status === 404 || status === 410) return NOTHING;
  if (status === 401 || status === 403) {
    const { host } = new URL(url);
    throw wrong(`${status} ${statusText}`.trim() + `; credentials for ${host} belong into auth.d`);
  }
  if (status !== 200) throw wrong(`${status} ${statusText}`.trim());
  const text = new TextDecoder().decode(bytes);
  if (text.includes("-----BEGIN PGP PRIVATE KEY")) {
    const { readSecretKey } = await import("../../trust/sign_file.ts");
    return { ...NOTHING, keys: [await readSecretKey(text, url)] };
  }
  const [passphrase = ""] = text.split(/\r?\n/);
  if (passphrase === "" || /^\s*<|-----BEGIN /.test(text)) {
    throw wrong("what came is neither an armoured secret key nor a passphrase");
  }
  return { ...NOTHING, passphrases: [passphrase] };
}
