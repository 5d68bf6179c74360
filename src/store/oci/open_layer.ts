import type { ByteSource } from "../../aci/bytes/source.ts";
import { Failure } from "../../failure.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { isEncryptedLayer } from "../../oci/media_types.ts";

/** Decrypts a layer that is encrypted; what it returns disposes the layer. */
export type DecryptLayer = (layer: ByteSource, descriptor: Descriptor) => Promise<ByteSource>;

/**
 * A layer as it is, or decrypted where its type says that it is encrypted.
 *
 * @throws {Failure} where nobody can decrypt it
 */
export async function openLayer(
  layer: ByteSource,
  descriptor: Descriptor,
  decrypt: DecryptLayer | undefined,
): Promise<ByteSource> {
  if (!isEncryptedLayer(descriptor.mediaType)) return layer;
  if (decrypt === undefined) throw new Failure(`${layer.name} is encrypted`);
  return await decrypt(layer, descriptor);
}
