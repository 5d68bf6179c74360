/** The keys of encrypted images: made for recipients and passphrases, and found again by secret keys and passphrases. */
import { Failure } from "../failure.ts";
import { openPgp, plain, type PublicKey } from "./public_key.ts";
import type { SessionKey } from "../openpgp/session_key.ts";
import type { SecretKey } from "./sign_file.ts";

/** What can decrypt. */
export interface Decryptors {
  readonly keys: readonly SecretKey[];
  readonly passphrases: readonly string[];
  /** Private keys in PEM, for layers of OCI images. */
  readonly pem: readonly string[];
}

/**
 * Makes a session key, and the packets by which each recipient and passphrase finds it.
 *
 * @throws {Failure} where a key can't be encrypted to
 */
export async function newSessionKey(
  recipients: readonly PublicKey[],
  passphrases: readonly string[],
): Promise<{ readonly key: Uint8Array; readonly packets: Uint8Array }> {
  const { encryptSessionKey } = await openPgp();
  const key = crypto.getRandomValues(new Uint8Array(32));
  try {
    const packets = await encryptSessionKey({
      data: key,
      algorithm: "aes256",
      encryptionKeys: recipients.map(({ handle }) => handle),
      passwords: [...passphrases],
      format: "binary",
      config: { aeadProtect: false },
    });
    if (!(packets instanceof Uint8Array)) throw new TypeError("openpgp makes no packets");
    return { key, packets };
  } catch (error) {
    throw new Failure(`can't encrypt to all recipients: ${plain(error)}`, 254, { cause: error });
  }
}

/** None of the keys and passphrases is one of the recipients'. */
export class NoRecipient extends Failure {
  override readonly name = "NoRecipient";
}

/**
 * Finds the session key in packets.
 *
 * @param name of the image, for the error
 * @throws {NoRecipient}
 * @throws {Failure} where the packets can't be understood
 */
export async function findSessionKey(
  name: string,
  packets: Uint8Array<ArrayBuffer>,
  { keys, passphrases }: Decryptors,
): Promise<SessionKey> {
  const ids = new Set<string>();
  const own = await passphraseKey(name, packets, passphrases);
  if (own !== undefined && keys.length === 0) return own;
  const { decryptSessionKeys, readMessage } = await openPgp();
  const tries = [
    ...keys.length === 0 ? [] : [{ decryptionKeys: keys.map(({ handle }) => handle) }],
    ...passphrases.map((passphrase) => ({ passwords: [passphrase] })),
  ];
  for (const by of tries) {
    try {
      const message = await readMessage({ binaryMessage: packets });
      const [found] = await decryptSessionKeys({ message, ...by });
      if (found !== undefined && found.algorithm !== null) {
        return { algorithm: found.algorithm, data: found.data };
      }
    } catch {
      // The next one may fit.
    }
  }
  if (own !== undefined) return own;
  try {
    const message = await readMessage({ binaryMessage: packets });
    for (const id of message.getEncryptionKeyIDs()) ids.add(id.toHex().toUpperCase());
  } catch (error) {
    throw new Failure(`${name}: can't be decrypted: ${plain(error)}`, 254, { cause: error });
  }
  const whom = ids.size === 0 ? "a passphrase" : `the key ${[...ids].join(" or ")}`;
  throw new NoRecipient(
    `${name}: is encrypted to ${whom}, which is not here; decryptkeys below the configuration is for it`,
  );
}

/**
 * The session key of a passphrase, in the forms that gpg writes: openpgp takes four times the CPU's time for one, and 100 MB of
 * memory.
 */
async function passphraseKey(
  name: string,
  packets: Uint8Array,
  passphrases: readonly string[],
): Promise<SessionKey | undefined> {
  if (passphrases.length === 0) return undefined;
  const { sessionKeyOf } = await import("../openpgp/passphrase.ts");
  const { PacketReader, wholeBody } = await import("../openpgp/packets.ts");
  let bytes: Uint8Array | undefined = packets;
  const reader = new PacketReader({
    read() {
      const all = bytes;
      bytes = undefined;
      return Promise.resolve(all);
    },
  }, name);
  for (let packet = await reader.next(); packet !== undefined; packet = await reader.next()) {
    const body = await wholeBody(packet, packets.length);
    if (packet.tag !== 3 || body === undefined) continue;
    for (const passphrase of passphrases) {
      const found = sessionKeyOf(body, passphrase);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
