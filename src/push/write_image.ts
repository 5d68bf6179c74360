/** Images of the store as files: App Container Images, OCI layouts, archives of these, and archives as `docker save` writes them. */
import type { ImageManifest } from "../appc/image_manifest.ts";
import { labelValue } from "../appc/label.ts";
import { digestHex } from "../oci/digest.ts";
import { digestOf } from "../oci/hash.ts";
import { MANIFEST_TYPES } from "../oci/media_types.ts";
import { parseReference } from "../oci/reference.ts";
import { Failure } from "../failure.ts";
import { imageArchive } from "../store/image_archive.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { TempDirectory } from "../store/temp_directory.ts";
import {
  encryptedFiles,
  type EncryptLayer,
  ociManifest,
  type WrittenLayer,
} from "./encrypted_layers.ts";
import { archiveFiles, directoryFiles, type ImageFiles, writeAll } from "./image_files.ts";
import type { OutgoingImage, OutgoingLayer } from "./outgoing_image.ts";
import { outgoingImage } from "./stored_oci.ts";

/** What an image can be written as. */
export const IMAGE_FORMATS = ["aci", "oci", "oci-archive", "docker-archive"] as const;

/** One of {@linkcode IMAGE_FORMATS}: `oci` is a directory. */
export type ImageFormat = typeof IMAGE_FORMATS[number];

const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** How to write it. */
export interface WriteOptions {
  /** What the image is called in the layout or archive; by default as its manifest says. */
  readonly tag?: string;
  /** Where the layers of an OCI image are to be encrypted. */
  readonly encrypt?: EncryptLayer;
}

/**
 * Writes an image to a path where nothing is. Layers are written as the store has them, uncompressed: the configuration, and
 * with it docker's ID of the image, stay the same, the manifest does where it was published so. An App Container Image is
 * uncompressed too, so its ID is the same.
 *
 * @throws {Failure}
 */
export async function writeImage(
  store: Store,
  image: StoredImage,
  format: ImageFormat,
  path: string,
  { tag, encrypt }: WriteOptions = {},
): Promise<void> {
  if (format === "aci") return await writeAci(store, image, path);
  const outgoing = await outgoingImage(store, image);
  using temp = encrypt && TempDirectory.create(store.dataDir);
  const layers = encrypt === undefined || temp === undefined
    ? outgoing.layers.map(plainLayer)
    : await encryptedFiles(outgoing.layers, encrypt, temp.path);
  using files = format === "oci" ? directoryFiles(path) : archiveFiles(path);
  if (format === "docker-archive") {
    writeDocker(outgoing, tag ?? dockerName(image.manifest), files);
  } else writeOci(outgoing, layers, tag ?? version(image.manifest), files);
  files.finish();
}

const plainLayer = ({ diffId, size, chunks }: OutgoingLayer): WrittenLayer => ({
  ...{ mediaType: LAYER, digest: diffId, size, chunks },
});

async function writeAci(store: Store, image: StoredImage, path: string): Promise<void> {
  using source = await imageArchive(store.dataDir, image);
  using output = Deno.openSync(path, { write: true, createNew: true, mode: 0o644 });
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    writeAll(output, chunk);
  }
  Deno.chmodSync(path, 0o644);
}

const version = ({ labels }: ImageManifest) => labelValue(labels, "version") ?? "latest";

const encoded = (json: unknown) => new TextEncoder().encode(JSON.stringify(json));

/** image-spec, image-layout.md. */
function writeOci(
  { config: { bytes: config }, manifest }: OutgoingImage,
  layers: readonly WrittenLayer[],
  name: string,
  files: ImageFiles,
): void {
  const blob = (digest: string) => `blobs/${digest.replace(":", "/")}`;
  const configBlob = { digest: digestOf(config), size: config.length };
  const bytes = ociManifest(manifest(configBlob, layers), configBlob, layers);
  const digest = digestOf(bytes);
  files.add("oci-layout", encoded({ imageLayoutVersion: "1.0.0" }), 30);
  const index = encoded({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPES.ociIndex,
    manifests: [{
      mediaType: MANIFEST_TYPES.ociManifest,
      digest,
      size: bytes.length,
      annotations: { "org.opencontainers.image.ref.name": name },
    }],
  });
  files.add("index.json", index, index.length);
  files.add(blob(digest), bytes, bytes.length, digest);
  files.add(blob(configBlob.digest), config, config.length, configBlob.digest);
  const written = new Set<string>();
  for (const { digest, size, chunks } of layers) {
    if (!written.has(digest)) files.add(blob(digest), chunks(), size, digest);
    written.add(digest);
  }
}

/** moby, image/spec/v1.2.md. */
function writeDocker(
  { config: { bytes: config }, layers }: OutgoingImage,
  name: string | undefined,
  files: ImageFiles,
): void {
  const digest = digestOf(config);
  const path = `${digestHex(digest)}.json`;
  const layer = (diffId: typeof digest) => `${digestHex(diffId)}.tar`;
  const list = encoded([{
    Config: path,
    RepoTags: name === undefined ? [] : [name],
    Layers: layers.map(({ diffId }) => layer(diffId)),
  }]);
  files.add("manifest.json", list, list.length);
  files.add(path, config, config.length, digest);
  const written = new Set<string>();
  for (const { diffId, size, chunks } of layers) {
    if (!written.has(diffId)) files.add(layer(diffId), chunks(), size, diffId);
    written.add(diffId);
  }
}

/** What docker calls the image; undefined for a name that docker could not have. */
function dockerName(manifest: ImageManifest): string | undefined {
  const text = `${manifest.name}:${version(manifest)}`;
  try {
    parseReference(text);
    return text;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
