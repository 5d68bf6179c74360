/** An OCI image in the store: its documents, and its file system out of the stored layers. */
import { fileSource } from "../../aci/bytes/source.ts";
import type { StoreKey } from "../../appc/image_id.ts";
import { Failure } from "../../failure.ts";
import { type MergedDirectory, mergeLayers } from "../../layers/merged_tree.ts";
import { readLayer } from "../../layers/read_layer.ts";
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

/** Where the store keeps a layer. */
export function layerPath(dataDir: string, diffId: Digest): string {
  return imagePath(dataDir, "layer", digestWithDash(diffId));
}

/** The file system of an image. */
export interface OciTree {
  readonly root: MergedDirectory;
  /** The uncompressed tars that have the files' bytes, bottom first. */
  readonly layers: readonly string[];
}

/**
 * Reads the layers of an image, hashing each, and merges them.
 *
 * @throws {Failure} where a layer is gone or damaged
 */
export async function ociTree(dataDir: string, key: StoreKey): Promise<OciTree> {
  const { diffIds } = ociDocuments(dataDir, key).config;
  const layers = diffIds.map((diffId) => layerPath(dataDir, diffId));
  const entries = [];
  for (const [i, diffId] of diffIds.entries()) {
    const path = layerPath(dataDir, diffId);
    const read = await readLayer(fileSource(path)).catch((error: unknown) => ({ error }));
    if ("error" in read || read.diffId !== diffId) {
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
