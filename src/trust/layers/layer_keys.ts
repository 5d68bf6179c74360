/**
 * Layers that are encrypted as containers/ocicrypt has it (image-spec's proposal "Layer Encryption", spec of ocicrypt): the key
 * of a layer stands in annotations of its descriptor, wrapped for each recipient as a JWE (RFC 7516) or an OpenPGP message.
 */
import { ArchiveError } from "../../aci/bytes/archive_error.ts";
import { AppcError } from "../../appc/error.ts";
import { object, parseJsonObject, string } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import type { Decryptors } from "../session_keys.ts";
import { openPgp } from "../public_key.ts";

const PREFIX = "org.opencontainers.image.enc.";
/** What the annotations are called. */
export const [JWE, PGP, PUBLIC_OPTIONS] = [
  `${PREFIX}keys.jwe`,
  `${PREFIX}keys.pgp`,
  `${PREFIX}pubopts`,
] as const;
/** The only cipher that there is. */
export const CIPHER = "AES_256_CTR_HMAC_SHA256";

/** Wrapped keys that are tried, and characters of one. */
const MOST_KEYS = 32;
const MOST_LENGTH = 1 << 16;

/** What wraps a layer's key in a JWE, for RSA and for elliptic curves, and what that key encrypts. */
export const [RSA_WRAP, CURVE_WRAP, CONTENT] = ["RSA-OAEP", "ECDH-ES+A256KW", "A256GCM"] as const;

/**
 * What may wrap a key: no passphrases (PBES2), whose work whoever has made the image could choose, and nothing without a key.
 * ocicrypt writes the first and the last one.
 */
const WRAPS = [RSA_WRAP, "RSA-OAEP-256", CURVE_WRAP];

/**
 * What decrypts a layer. The digest that stands beside the key is not among it: skopeo writes that of the layer before it
 * compresses it. What the layer has to be says the image's configuration (`diff_ids`).
 */
export interface LayerKey {
  /** 32 bytes, of the cipher and of the HMAC. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** The counter's first value, 16 bytes. */
  readonly nonce: Uint8Array<ArrayBuffer>;
  /** HMAC-SHA256 of the encrypted bytes. */
  readonly hmac: Uint8Array<ArrayBuffer>;
}

/**
 * Finds the key of a layer.
 *
 * @param name of the layer, for messages
 * @throws {Failure} where none of the host's keys is one of its recipients'
 */
export async function layerKey(
  name: string,
  annotations: Readonly<Record<string, string>>,
  decryptors: Decryptors,
): Promise<LayerKey> {
  const wrong = (why: string) => new ArchiveError(`${name}: can't be decrypted: ${why}`);
  const [jwe, pgp] = [JWE, PGP].map((key) => wrappedKeys(annotations[key] ?? ""));
  const found = await byJwe(jwe ?? [], decryptors.pem) ?? await byPgp(pgp ?? [], decryptors);
  if (found === undefined) {
    throw new Failure(
      `${name}: is encrypted to keys that are not here; decryptkeys below the configuration is for them`,
    );
  }
  try {
    const open = parseJsonObject(textOf(annotations[PUBLIC_OPTIONS] ?? ""));
    if (open.cipher !== CIPHER) throw wrong(`its cipher is not ${CIPHER}`);
    const secret = parseJsonObject(found);
    const options = object(secret.cipheroptions, "cipheroptions");
    const key = bytesOf(string(secret.symkey, "symkey"));
    const nonce = bytesOf(string(options.nonce, "nonce"));
    const hmac = bytesOf(string(open.hmac, "hmac"));
    if (key.length !== 32 || nonce.length !== 16 || hmac.length !== 32) {
      throw wrong("its key has another size");
    }
    return { key, nonce, hmac };
  } catch (error) {
    if (error instanceof AppcError) throw wrong(error.message);
    throw error;
  }
}

/** Base64 texts with commas between. */
function wrappedKeys(text: string): string[] {
  return text.split(",").filter((each) => each !== "" && each.length <= MOST_LENGTH)
    .slice(0, MOST_KEYS);
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return new Uint8Array();
  }
}

const textOf = (base64: string): string => new TextDecoder().decode(bytesOf(base64));

async function byJwe(
  wrapped: readonly string[],
  keys: Decryptors["pem"],
): Promise<string | undefined> {
  if (wrapped.length === 0 || keys.length === 0) return undefined;
  const { flattenedDecrypt, generalDecrypt } = await import("jose");
  const { createPrivateKey } = await import("node:crypto");
  const options = {
    keyManagementAlgorithms: WRAPS,
    contentEncryptionAlgorithms: [CONTENT],
    maxDecompressedLength: 0,
  };
  for (const text of wrapped) {
    for (const pem of keys) {
      try {
        const message = JSON.parse(textOf(text));
        const key = createPrivateKey(pem);
        const { plaintext } = Array.isArray(message.recipients)
          ? await generalDecrypt(message, key, options)
          : await flattenedDecrypt(message, key, options);
        return new TextDecoder().decode(plaintext);
      } catch {
        // The next one may fit.
      }
    }
  }
  return undefined;
}

async function byPgp(
  wrapped: readonly string[],
  { keys }: Decryptors,
): Promise<string | undefined> {
  if (wrapped.length === 0 || keys.length === 0) return undefined;
  const { decrypt, readMessage } = await openPgp();
  for (const text of wrapped) {
    try {
      const message = await readMessage({ binaryMessage: bytesOf(text) });
      const decryptionKeys = keys.map(({ handle }) => handle);
      const { data } = await decrypt({ message, decryptionKeys, format: "binary" });
      if (data instanceof Uint8Array) return new TextDecoder().decode(data);
    } catch {
      // The next one may fit.
    }
  }
  return undefined;
}
