/** The bytes of an encrypted layer, decrypted while they come. They count only when the source ended without an error. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { ArchiveError } from "../../aci/bytes/archive_error.ts";
import type { ByteSource } from "../../aci/bytes/source.ts";
import { ctr } from "../../openpgp/ctr.ts";
import type { Decryptors } from "../session_keys.ts";
import { type LayerKey, layerKey } from "./layer_keys.ts";

/**
 * A layer, decrypted by whichever key fits.
 *
 * @param annotations of its descriptor
 * @throws {Failure} where none does
 */
export async function openEncryptedLayer(
  layer: ByteSource,
  annotations: Readonly<Record<string, string>>,
  by: Decryptors,
): Promise<ByteSource> {
  return decryptedLayer(layer, await layerKey(layer.name, annotations, by));
}

/** A source, decrypted; what disposes it disposes that. */
export function decryptedLayer(
  source: ByteSource,
  { key, nonce, hmac }: LayerKey,
): ByteSource {
  const cipher = ctr(key, nonce);
  const authentication = createHmac("sha256", key);
  let ended = false;
  const end = () => {
    ended = true;
    if (!timingSafeEqual(authentication.digest(), hmac)) {
      throw new ArchiveError(`${source.name}: it was damaged or changed (its HMAC is wrong)`);
    }
  };
  return {
    name: source.name,
    async read() {
      if (ended) return undefined;
      const chunk = await source.read();
      if (chunk === undefined) {
        end();
        return undefined;
      }
      authentication.update(chunk);
      const plain = new Uint8Array(chunk);
      cipher.update(plain);
      return plain;
    },
    [Symbol.dispose]() {
      cipher[Symbol.dispose]();
      source[Symbol.dispose]();
    },
    ...source.between !== undefined && { between: source.between.bind(source) },
  };
}
