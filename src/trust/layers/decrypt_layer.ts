/** The bytes of an encrypted layer, decrypted while they come. They count only when the source ended without an error. */
import { createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { ArchiveError } from "../../aci/bytes/archive_error.ts";
import type { ByteSource } from "../../aci/bytes/source.ts";
import type { LayerKey } from "./layer_keys.ts";

/** A source, decrypted; what disposes it disposes that. */
export function decryptedLayer(
  source: ByteSource,
  { key, nonce, hmac }: LayerKey,
): ByteSource {
  const cipher = createDecipheriv("aes-256-ctr", key, nonce);
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
      return new Uint8Array(cipher.update(chunk));
    },
    [Symbol.dispose]: () => source[Symbol.dispose](),
    ...source.between !== undefined && { between: source.between.bind(source) },
  };
}
