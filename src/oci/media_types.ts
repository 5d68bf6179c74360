/** The media types of images (image-spec, media-types.md; distribution, "Image Manifest Version 2, Schema 2"). */

/** What a manifest or index may be asked for as, in the order of preference. */
export const MANIFEST_TYPES = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
} as const;

const INDEX_TYPES: readonly string[] = [MANIFEST_TYPES.ociIndex, MANIFEST_TYPES.dockerList];
const IMAGE_TYPES: readonly string[] = [MANIFEST_TYPES.ociManifest, MANIFEST_TYPES.dockerManifest];

/** What kind of document a media type stands for; `undefined` for a type of another kind. */
export function documentKind(mediaType: string): "index" | "manifest" | "schema 1" | undefined {
  if (INDEX_TYPES.includes(mediaType)) return "index";
  if (IMAGE_TYPES.includes(mediaType)) return "manifest";
  if (mediaType.startsWith("application/vnd.docker.distribution.manifest.v1+")) return "schema 1";
  return undefined;
}

/** The media types of the configuration of a container image. */
export const CONFIG_TYPES = {
  oci: "application/vnd.oci.image.config.v1+json",
  docker: "application/vnd.docker.container.image.v1+json",
} as const;

const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";

/**
 * How a layer is compressed, as its type says. A reader looks at its first bytes all the same: there are images whose
 * types are wrong.
 */
export const LAYER_TYPES: Readonly<Record<string, "none" | "gzip" | "zstd">> = {
  [OCI_LAYER]: "none",
  [`${OCI_LAYER}+gzip`]: "gzip",
  [`${OCI_LAYER}+zstd`]: "zstd",
  [DOCKER_LAYER]: "none",
  [`${DOCKER_LAYER}.gzip`]: "gzip",
  [`${DOCKER_LAYER}+gzip`]: "gzip",
  [`${DOCKER_LAYER}.zstd`]: "zstd",
  [`${DOCKER_LAYER}+zstd`]: "zstd",
};

/** The end of the type of a layer that is encrypted. */
export const ENCRYPTED = "+encrypted";

/** Whether a layer is encrypted as containers/ocicrypt has it. */
export const isEncryptedLayer = (mediaType: string): boolean => mediaType.endsWith(ENCRYPTED);

/** The type of what is in an encrypted layer; that of another one as it is. */
export const decryptedType = (mediaType: string): string =>
  isEncryptedLayer(mediaType) ? mediaType.slice(0, -ENCRYPTED.length) : mediaType;

/** The layer type of a tar of a docker archive: with the compression that its first bytes show. */
export function dockerLayerType(compression: "none" | "gzip" | "zstd"): string {
  return compression === "none" ? DOCKER_LAYER : `${DOCKER_LAYER}.${compression}`;
}

/** Whether a layer is to be fetched from a place of its own, which its publisher's licence asks for. */
export function isForeignLayer(mediaType: string): boolean {
  return mediaType.includes(".foreign.") || mediaType.includes(".nondistributable.");
}
