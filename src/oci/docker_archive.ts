/**
 * Archives of `docker save` (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format"). They have no manifest
 * with digests, so one is made: its layers' digests are the diff IDs of the configuration, against which the bytes are checked.
 */
import { AppcError } from "../appc/error.ts";
import { quoted } from "./quoted.ts";
import { array, filledString, object } from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import type { ArchiveFiles } from "./archive_files.ts";
import { readDigest } from "./descriptor.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { DigestHasher, digestOf } from "./hash.ts";
import {
  checkImageManifest,
  documentErrors,
  jsonOf,
  MAX_DOCUMENT,
  MAX_LAYERS,
  parseDocument,
} from "./image_documents.ts";
import { type ImageSource, type ResolvedManifest, verifiedStream } from "./image_source.ts";
import { isCalledInDocker, savedName } from "./image_names.ts";
import type { LayoutChoice } from "./layout_source.ts";
import { CONFIG_TYPES, dockerLayerType, MANIFEST_TYPES } from "./media_types.ts";
import type { Platform } from "./platform.ts";

/** An image as manifest.json lists it: paths in the archive. */
interface SavedImage {
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

/**
 * The image of a docker archive. Its files are disposed with it.
 *
 * @throws {Failure} no such image, several, or a damaged archive
 */
export async function openDockerArchive(
  files: ArchiveFiles,
  choice: LayoutChoice,
): Promise<ImageSource> {
  const { name } = choice;
  const image = choose(await savedImages(files, name), choice);
  const config = await files.read(image.config, MAX_DOCUMENT);
  if (config === undefined) throw new Failure(`${name}: ${quoted(image.config)} is missing`);
  const configDigest = digestOf(config);
  checkConfigName(image.config, configDigest, name);
  const paths = new Map<Digest, string>([[configDigest, image.config]]);
  const layers = [];
  const hashed = new Map<number, Digest>();
  for (const [index, digest] of layerDigests(config, image, name).entries()) {
    const path = image.layers[index] ?? "";
    const layer = await readLayer(files, path, digest, name, hashed);
    paths.set(layer.digest, path);
    layers.push(layer);
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPES.dockerManifest,
    config: { mediaType: CONFIG_TYPES.docker, size: config.length, digest: configDigest },
    layers,
  };
  return new DockerArchiveSource(files, choice, paths, image.tags, JSON.stringify(manifest));
}

/** The content of manifest.json. */
async function savedImages(files: ArchiveFiles, name: string): Promise<readonly SavedImage[]> {
  const bytes = await files.read("manifest.json", MAX_DOCUMENT);
  return documentErrors(`${name}: manifest.json`, () => {
    // It is an array, and the reader of documents wants an object.
    const text = new TextDecoder().decode(bytes);
    const { images } = jsonOf(new TextEncoder().encode(`{"images":${text}}`));
    return array(images, "", (value, at): SavedImage => {
      const json = object(value, at);
      return {
        config: filledString(json.Config, `${at}.Config`),
        tags: array(json.RepoTags, `${at}.RepoTags`, filledString),
        layers: array(json.Layers, `${at}.Layers`, filledString),
      };
    });
  });
}

function choose(images: readonly SavedImage[], { name, tag }: LayoutChoice): SavedImage {
  const fitting = tag === undefined
    ? images
    : images.filter(({ tags }) => tags.some((each) => isCalledInDocker(each, tag)));
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  const tags = images.flatMap((image) => image.tags);
  const list = tags.length === 0
    ? `${images.length} images without a name`
    : tags.slice(0, 20).map(quoted).join(", ");
  throw new Failure(
    tag === undefined
      ? `${name}: which image? There is ${list}`
      : `${name}: no image is called ${quoted(tag)} in it; there is ${list}`,
  );
}

/** A configuration is called by its digest. */
function checkConfigName(path: string, digest: Digest, name: string): void {
  const [, hex] = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(path) ?? [];
  if (hex === undefined || digest === `sha256:${hex}`) return;
  throw new Failure(`${name}: ${quoted(path)} has the digest ${digest}`);
}

function layerDigests(config: Uint8Array, image: SavedImage, name: string): readonly Digest[] {
  return documentErrors(`${name}: configuration`, () => {
    const rootfs = object(jsonOf(config).rootfs, "rootfs");
    const digests = array(rootfs.diff_ids, "rootfs.diff_ids", readDigest);
    if (digests.length > MAX_LAYERS) {
      throw new AppcError("rootfs.diff_ids", `more than ${MAX_LAYERS} layers`);
    }
    if (digests.length === image.layers.length) return digests;
    throw new AppcError(
      "rootfs.diff_ids",
      `${digests.length} diff IDs, but manifest.json has ${image.layers.length} layers`,
    );
  });
}

/**
 * A layer as a descriptor. Most are tars as they are; some tools compress them, then the digest is another one.
 *
 * @param hashed digests of what was read, by where it begins: layers may be links to one file, and all of them are hashed once
 */
async function readLayer(
  files: ArchiveFiles,
  path: string,
  diffId: Digest,
  name: string,
  hashed: Map<number, Digest>,
): Promise<Pick<Descriptor, "mediaType" | "size" | "digest">> {
  const size = files.size(path);
  const offset = files.offset(path);
  const stream = await files.stream(path);
  if (size === undefined || offset === undefined || stream === undefined) {
    throw new Failure(`${name}: layer ${quoted(path)} is missing`);
  }
  const [first, second] = files.head(path, 2);
  const compression = first === 0x1f && second === 0x8b
    ? "gzip"
    : first === 0x28 && second === 0xb5
    ? "zstd"
    : "none";
  if (compression === "none") return { mediaType: dockerLayerType("none"), size, digest: diffId };
  const digest = hashed.get(offset) ?? await digestOfStream(stream);
  hashed.set(offset, digest);
  return { mediaType: dockerLayerType(compression), size, digest };
}

async function digestOfStream(stream: ReadableStream<Uint8Array>): Promise<Digest> {
  const hasher = new DigestHasher();
  for await (const chunk of stream) hasher.update(chunk);
  return hasher.digest();
}

class DockerArchiveSource implements ImageSource {
  readonly name: string;
  readonly platform: Platform;
  readonly #files: ArchiveFiles;
  readonly #paths: ReadonlyMap<Digest, string>;
  readonly #tags: readonly string[];
  readonly #resolved: ResolvedManifest;

  constructor(
    files: ArchiveFiles,
    choice: LayoutChoice,
    paths: ReadonlyMap<Digest, string>,
    tags: readonly string[],
    manifest: string,
  ) {
    this.name = choice.name;
    this.platform = choice.platform;
    this.#files = files;
    this.#paths = paths;
    this.#tags = tags;
    const bytes = new TextEncoder().encode(manifest);
    const document = parseDocument(bytes, choice.name);
    if (document.kind !== "manifest") throw new Error("a manifest was made");
    checkImageManifest(document, choice.name);
    this.#resolved = { bytes, digest: digestOf(bytes), manifest: document, indexes: [] };
  }

  manifest(): Promise<ResolvedManifest> {
    return Promise.resolve(this.#resolved);
  }

  savedName(): Promise<string | undefined> {
    return Promise.resolve(savedName(this.#tags));
  }

  async blob(descriptor: Descriptor): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const path = this.#paths.get(descriptor.digest);
    const name = `${this.name}: ${path === undefined ? descriptor.digest : quoted(path)}`;
    const stream = path === undefined ? undefined : await this.#files.stream(path);
    if (stream === undefined) throw new Failure(`${name}: not in the archive`);
    return verifiedStream(stream, descriptor, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }
}
