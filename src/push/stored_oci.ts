/** Images of the store as OCI images: those that are, and App Container Images. */
import { isOciImageId } from "../appc/image_id.ts";
import { Failure } from "../failure.ts";
import { documentErrors, jsonOf } from "../oci/image_documents.ts";
import { decryptedType, MANIFEST_TYPES } from "../oci/media_types.ts";
import { type LayerFile, StoredLayer } from "../layers/stored_layer.ts";
import { ociDocuments, storedLayer } from "../store/oci/oci_image.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { layerEntry, type OutgoingImage } from "./outgoing_image.ts";

/**
 * An image of the store as an OCI image.
 *
 * @throws {Failure}
 */
export async function outgoingImage(store: Store, image: StoredImage): Promise<OutgoingImage> {
  if (isOciImageId(image.key)) return storedOci(store.dataDir, image);
  const { aciAsOci } = await import("./aci_as_oci.ts");
  return await aciAsOci(store, image);
}

/** An OCI image of the store. */
function storedOci(dataDir: string, { key }: StoredImage): OutgoingImage {
  const { manifestBytes, manifest, configBytes, config } = ociDocuments(dataDir, key);
  return {
    config: { bytes: configBytes, descriptor: manifest.config },
    layers: manifest.layers.map((published, index) => {
      const diffId = config.diffIds[index];
      if (diffId === undefined) throw new Error("as many diff IDs as layers");
      const file = storedLayer(dataDir, diffId);
      const chunks = () => layerChunks(file, key);
      const plain = decryptedType(published.mediaType).replace(/[.+](?:gzip|zstd)$/, "");
      const gzipType = plain.includes(".docker.") ? `${plain}.gzip` : `${plain}+gzip`;
      return { published, diffId, size: sizeOf(file, key), chunks, gzipType };
    }),
    manifest: (_, layers) => {
      const isSame = layers.every(({ digest }, index) => digest === manifest.layers[index]?.digest);
      const mediaType = manifest.mediaType ?? MANIFEST_TYPES.ociManifest;
      if (isSame) return { bytes: manifestBytes, mediaType };
      const json = documentErrors(`image ${key}`, () => jsonOf(manifestBytes));
      const changed = {
        ...json,
        layers: layers.map(layerEntry),
      };
      return { bytes: new TextEncoder().encode(JSON.stringify(changed)), mediaType };
    },
  };
}

function* layerChunks(file: LayerFile, key: string): Generator<Uint8Array<ArrayBuffer>> {
  using layer = openLayer(file, key);
  yield* layer.chunks();
}

function openLayer(file: LayerFile, key: string): StoredLayer {
  try {
    return new StoredLayer(file);
  } catch (error) {
    throw lost(file.path, key, error);
  }
}

/** Bytes of the tar. */
function sizeOf(file: LayerFile, key: string): number {
  using layer = openLayer(file, key);
  return layer.size;
}

function lost(path: string, key: string, cause: unknown): Failure {
  return new Failure(
    `image ${key}: the layer ${path} can't be read; \`rkt image rm\` the image and fetch it again`,
    254,
    { cause },
  );
}
