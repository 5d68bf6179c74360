/** An OCI image in the store: its documents, and its file system out of the stored layers. */
import type { StoreKey } from "../../appc/image_id.ts";
import { Failure } from "../../failure.ts";
import { type MergedDirectory, mergeLayers } from "../../layers/merged_tree.ts";
import { readLayer } from "../../layers/read_layer.ts";
import { type LayerFile, layerSource } from "../../layers/stored_layer.ts";
import { exists } from "../../linux/exists.ts";
import { type Digest, digestWithDash } from "../../oci/digest.ts";
import { type OciConfig, parseConfig } from "../../oci/image_config.ts";
import { type OciManifest, parseDocument } from "../../oci/image_documents.ts";
import { imagePath } from "../layout.ts";

/** The documents of an image as they were published, and what they say. */
export interface OciDocuments {
  readonly manifestBytes: Uint8Array<ArrayBuffer>;
  readonly manifest: OciManifest;
  readonly configBytes: Uint8Array<ArrayBuffer>;
  readonly config: OciConfig;
}

/**
 * Reads the documents of an image.
 *
 * @throws {Failure} where they are gone or damaged
 */
export function ociDocuments(dataDir: string, key: StoreKey): OciDocuments {
  const name = `image ${key}`;
  const bytes = (kind: "ociManifest" | "ociConfig") => {
    try {
      return Deno.readFileSync(imagePath(dataDir, kind, key));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Failure(`${name} is damaged: ${why}; \`rkt image rm\` it and fetch it again`);
    }
  };
  const [manifestBytes, configBytes] = [bytes("ociManifest"), bytes("ociConfig")];
  const manifest = parseDocument(manifestBytes, name);
  if (manifest.kind !== "manifest") {
    throw new Failure(`${name} is damaged: its manifest is an index`);
  }
  const config = parseConfig(configBytes, `${name}: configuration`, manifest);
  return { manifestBytes, manifest, configBytes, config };
}

/** Where the store keeps a layer that it has, in which form; a path without a file where it has not. */
export function storedLayer(dataDir: string, diffId: Digest): LayerFile {
  return layerOfKey(dataDir, digestWithDash(diffId));
}

/** As above, by the layer's name in the store. */
export function layerOfKey(dataDir: string, key: string): LayerFile {
  const path = imagePath(dataDir, "compressedLayer", key);
  if (exists(path)) return { path, isCompressed: true };
  return { path: imagePath(dataDir, "layer", key), isCompressed: false };
}

/** Reads a layer of the store as a tar. */
export async function readStored(layer: LayerFile): ReturnType<typeof readLayer> {
  return await readLayer(layerSource(layer));
}

/** The file system of an image. */
export interface OciTree {
  readonly root: MergedDirectory;
  /** Those that have the files' bytes, bottom first. */
  readonly layers: readonly LayerFile[];
}

/**
 * Reads the layers of an image, hashing each, and merges them.
 *
 * @throws {Failure} where a layer is gone or damaged
 */
export async function ociTree(dataDir: string, key: StoreKey): Promise<OciTree> {
  const { diffIds } = ociDocuments(dataDir, key).config;
  const layers = diffIds.map((diffId) => storedLayer(dataDir, diffId));
  const entries = [];
  for (const [i, layer] of layers.entries()) {
    const read = await readStored(layer).catch((error: unknown) => ({ error }));
    if ("error" in read || read.diffId !== diffIds[i]) {
      throw new Failure(
        `image ${key}: layer ${i + 1} of ${diffIds.length} is damaged; ` +
          "`rkt image rm` the image and fetch it again",
        254,
        { cause: "error" in read ? read.error : undefined },
      );
    }
    entries.push(read.entries);
  }
  return { root: mergeLayers(entries), layers };
}
