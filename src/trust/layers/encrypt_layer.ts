/**
 * Layers encrypted as containers/ocicrypt does it, for skopeo, podman, containerd and rkt: AES-256-CTR over the compressed layer,
 * an HMAC over what comes of it, and the key wrapped for each recipient. See `layer_keys.ts`.
 */
import { createHash, createHmac, createPublicKey, type KeyObject } from "node:crypto";
import { Failure } from "../../failure.ts";
import { ctr } from "../../openpgp/ctr.ts";
import { isPem } from "../image/signing_key.ts";
import { openPgp, plain, type PublicKey, readPublicKeys } from "../public_key.ts";
import { CIPHER, CONTENT, CURVE_WRAP, JWE, PGP, PUBLIC_OPTIONS, RSA_WRAP } from "./layer_keys.ts";

/** Who may decrypt. */
export interface LayerRecipients {
  readonly pgp: readonly PublicKey[];
  readonly jwe: readonly KeyObject[];
}

/** A layer while it is encrypted. */
export interface EncryptedLayer {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Those of its descriptor; to be asked for when the stream has ended. */
  annotations(): Promise<Readonly<Record<string, string>>>;
}

/**
 * Reads public keys: armoured OpenPGP keys, or one in PEM.
 *
 * @param where a path, for messages
 * @throws {Failure} none of these, or a key that can't be encrypted to
 */
export async function readLayerRecipients(
  bytes: Uint8Array,
  where: string,
): Promise<LayerRecipients> {
  const text = new TextDecoder().decode(bytes);
  if (!isPem(text)) return { pgp: await readPublicKeys(bytes, where), jwe: [] };
  const wrong = (why: string) => new Failure(`key ${where}: ${why}`);
  if (text.includes("PRIVATE KEY-----")) {
    throw wrong("a private key; `openssl pkey -pubout` makes the public one of it");
  }
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch (error) {
    throw new Failure(`key ${where}: is no public key in PEM`, 254, { cause: error });
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "rsa" && (details?.modulusLength ?? 0) < 2048) {
    throw wrong("its RSA key has fewer than 2048 bits");
  }
  if (type === "rsa" || type === "ec") return { pgp: [], jwe: [key] };
  throw wrong(`${type}: layers are encrypted to RSA keys and to those of elliptic curves (NIST)`);
}

/**
 * Encrypts a layer by a key of its own.
 *
 * @param compressed the layer, as its type says without the word `encrypted`
 */
export function encryptedLayer(
  compressed: ReadableStream<Uint8Array<ArrayBuffer>>,
  recipients: LayerRecipients,
): EncryptedLayer {
  const [key, nonce] = [random(32), random(16)];
  const cipher = ctr(key, nonce);
  const digest = createHash("sha256");
  const authentication = createHmac("sha256", key);
  const stream = compressed.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        digest.update(chunk);
        const bytes = chunk.slice();
        cipher.update(bytes);
        authentication.update(bytes);
        controller.enqueue(bytes);
      },
      flush: () => cipher[Symbol.dispose](),
    }),
  );
  return {
    stream,
    async annotations() {
      const secret = JSON.stringify({
        symkey: key.toBase64(),
        digest: `sha256:${digest.digest("hex")}`,
        cipheroptions: { nonce: nonce.toBase64() },
      });
      const open = { cipher: CIPHER, hmac: authentication.digest("base64"), cipheroptions: {} };
      return {
        ...await wrapped(encoded(secret), recipients),
        [PUBLIC_OPTIONS]: encoded(JSON.stringify(open)).toBase64(),
      };
    },
  };
}

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

const encoded = (text: string) => new TextEncoder().encode(text);

/** A secret for everybody who may know it. */
async function wrapped(
  secret: Uint8Array<ArrayBuffer>,
  { jwe, pgp }: LayerRecipients,
): Promise<Record<string, string>> {
  try {
    return {
      ...jwe.length > 0 && { [JWE]: encoded(await jweOf(secret, jwe)).toBase64() },
      ...pgp.length > 0 && { [PGP]: (await pgpMessage(secret, pgp)).toBase64() },
    };
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`can't encrypt to all recipients: ${plain(error)}`, 254, { cause: error });
  }
}

/** RFC 7516 §7.2.1: one message for all of them. */
async function jweOf(secret: Uint8Array, keys: readonly KeyObject[]): Promise<string> {
  const { GeneralEncrypt } = await import("jose");
  const message = new GeneralEncrypt(secret).setProtectedHeader({ enc: CONTENT });
  for (const key of keys) {
    const alg = key.asymmetricKeyType === "rsa" ? RSA_WRAP : CURVE_WRAP;
    message.addRecipient(key).setUnprotectedHeader({ alg });
  }
  return JSON.stringify(await message.encrypt());
}

async function pgpMessage(
  secret: Uint8Array<ArrayBuffer>,
  keys: readonly PublicKey[],
): Promise<Uint8Array> {
  const { createMessage, encrypt, enums } = await openPgp();
  const message = await encrypt({
    message: await createMessage({ binary: secret }),
    encryptionKeys: keys.map(({ handle }) => handle),
    format: "binary",
    config: { aeadProtect: false, preferredCompressionAlgorithm: enums.compression.uncompressed },
  });
  if (message instanceof Uint8Array) return message;
  throw new TypeError("openpgp makes no message");
}
