/** Images of the store as OCI images: those that are, and App Container Images. */
import { CHUNK_SIZE } from "../aci/bytes/source.ts";
import { isOciImageId } from "../appc/image_id.ts";
import { Failure } from "../failure.ts";
import { documentErrors, jsonOf } from "../oci/image_documents.ts";
import { MANIFEST_TYPES } from "../oci/media_types.ts";
import { layerPath, ociDocuments } from "../store/oci/oci_image.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import type { OutgoingImage } from "./outgoing_image.ts";

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
      const path = layerPath(dataDir, diffId);
      const chunks = () => fileChunks(path, key);
      const plain = published.mediaType.replace(/[.+](?:gzip|zstd)$/, "");
      const gzipType = plain.includes(".docker.") ? `${plain}.gzip` : `${plain}+gzip`;
      return { published, diffId, size: sizeOf(path, key), chunks, gzipType };
    }),
    manifest: (_, layers) => {
      const isSame = layers.every(({ digest }, index) => digest === manifest.layers[index]?.digest);
      const mediaType = manifest.mediaType ?? MANIFEST_TYPES.ociManifest;
      if (isSame) return { bytes: manifestBytes, mediaType };
      const json = documentErrors(`image ${key}`, () => jsonOf(manifestBytes));
      const changed = {
        ...json,
        layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      };
      return { bytes: new TextEncoder().encode(JSON.stringify(changed)), mediaType };
    },
  };
}

function* fileChunks(path: string, key: string): Generator<Uint8Array<ArrayBuffer>> {
  using file = openLayer(path, key);
  const buffer = new Uint8Array(CHUNK_SIZE);
  for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) {
    yield buffer.subarray(0, n);
  }
}

function openLayer(path: string, key: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (error) {
    throw lost(path, key, error);
  }
}

function sizeOf(path: string, key: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    throw lost(path, key, error);
  }
}

function lost(path: string, key: string, cause: unknown): Failure {
  return new Failure(
    `image ${key}: the layer ${path} can't be read; \`rkt image rm\` the image and fetch it again`,
    254,
    { cause },
  );
}
