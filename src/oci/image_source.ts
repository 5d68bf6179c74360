/** Where images come from: registries, layouts and archives, behind one interface. */
import { releaseChunk } from "../aci/bytes/release_chunk.ts";
import { Failure } from "../failure.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Digest, digestAlgorithm } from "./digest.ts";
import { DigestHasher, digestOf } from "./hash.ts";
import { checkPlatform, type OciConfig, parseConfig } from "./image_config.ts";
import {
  checkImageManifest,
  choosePlatform,
  MAX_DOCUMENT,
  type OciManifest,
  parseDocument,
} from "./image_documents.ts";
import type { Platform } from "./platform.ts";

/** A manifest, with the bytes whose digest names the image. */
export interface ResolvedManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: Digest;
  readonly manifest: OciManifest;
  /**
   * The digests of the indexes through which it was reached, outermost first: a signature of one of them is one of the
   * image.
   */
  readonly indexes: readonly Digest[];
}

/** One image somewhere. Disposing closes connections and removes temporary files. */
export interface ImageSource extends AsyncDisposable {
  /** How messages name it: `docker://example.com/app:1`. */
  readonly name: string;
  /** What the image is chosen for. */
  readonly platform: Platform;
  /**
   * The manifest of the image for the platform; asked once, the same answer afterwards. It was checked: digest, size, types,
   * and {@linkcode checkImageManifest}.
   *
   * @throws {Failure}
   */
  manifest(): Promise<ResolvedManifest>;
  /** The name that a layout or archive has for the image, with its tag; undefined where it has none. Its maker chose it. */
  savedName?(): Promise<string | undefined>;
  /**
   * The bytes of a blob of the image. They are checked as they are read: the stream fails at its end where size or digest
   * differ, and at once where there are too many. A chunk is valid until the next one is read. Several may be read side by
   * side.
   *
   * @throws {Failure} here or from the stream
   */
  blob(descriptor: Descriptor): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

/**
 * Wraps a stream such that it fails where its bytes are not those of the descriptor.
 *
 * @param name what the bytes are, for messages
 */
export function verifiedStream(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  name: string,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const hasher = new DigestHasher(digestAlgorithm(digest));
  const reader = stream.getReader();
  let received = 0;
  let last: Uint8Array<ArrayBuffer> | undefined;
  const verify = () => {
    if (received !== size) {
      throw new Failure(`${name}: ends after ${received} of ${size} bytes`);
    }
    const found = hasher.digest();
    if (found !== digest) {
      throw new Failure(`${name}: its bytes have the digest ${found}, but ${digest} was asked for`);
    }
  };
  return new ReadableStream({
    async pull(controller) {
      // Left to the collector, chunks would pile up.
      releaseChunk(last);
      last = undefined;
      const { done, value } = await reader.read();
      if (done) {
        verify();
        controller.close();
        return;
      }
      received += value.length;
      if (received > size) {
        const error = new Failure(`${name}: has more than the ${size} bytes that it should have`);
        await reader.cancel(error).catch(() => {});
        throw error;
      }
      hasher.update(value);
      last = value;
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/**
 * All bytes of a small blob.
 *
 * @throws {Failure} larger than `limit`, and whatever the stream fails with
 */
export async function readBlob(
  source: Pick<ImageSource, "name" | "blob">,
  descriptor: Descriptor,
  limit: number = MAX_DOCUMENT,
): Promise<Uint8Array<ArrayBuffer>> {
  if (descriptor.size > limit) {
    throw new Failure(`${source.name}: ${descriptor.digest} is larger than ${limit} bytes`);
  }
  const bytes = new Uint8Array(descriptor.size);
  let at = 0;
  for await (const chunk of await source.blob(descriptor)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * The configuration of an image, with its bytes: checked against the manifest's layers and the platform.
 *
 * @throws {Failure}
 */
export async function readConfig(
  source: ImageSource,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly config: OciConfig }> {
  const { manifest } = await source.manifest();
  const bytes = await readBlob(source, manifest.config);
  const config = parseConfig(bytes, `${source.name}: configuration`, manifest);
  checkPlatform(config, source.platform, source.name);
  return { bytes, config };
}

/** Bytes of an index or manifest, and the type that its sender gave it. */
export interface DocumentBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly mediaType?: string;
}

/** Indexes inside each other: `docker buildx` makes one, some tools two. */
const MAX_INDEXES = 3;

/**
 * Goes from a document, through indexes, to the manifest for a platform.
 *
 * @param first the index or manifest that a name stands for; `digest` is the one that it was checked against
 * @param get reads the document of a descriptor, unchecked
 * @throws {Failure}
 */
export async function resolveManifest(
  name: string,
  platform: Platform,
  first: DocumentBytes & { readonly digest?: Digest },
  get: (descriptor: Descriptor) => Promise<DocumentBytes>,
): Promise<ResolvedManifest> {
  const indexes: Digest[] = [];
  let [{ bytes, mediaType }, digest]: [DocumentBytes, Digest] = [
    first,
    first.digest ?? digestOf(first.bytes),
  ];
  for (;;) {
    const document = parseDocument(bytes, name, mediaType);
    if (document.kind === "manifest") {
      checkImageManifest(document, name);
      return { bytes, digest, manifest: document, indexes };
    }
    indexes.push(digest);
    if (indexes.length > MAX_INDEXES) throw new Failure(`${name}: indexes inside each other`);
    const chosen = choosePlatform(document, platform, name);
    const next = await get(chosen);
    checkBytes(next.bytes, chosen, `${name}: manifest ${chosen.digest}`);
    parseDocument(next.bytes, name, chosen.mediaType);
    [{ bytes, mediaType }, digest] = [next, chosen.digest];
  }
}

/**
 * Insists that bytes are those of a descriptor.
 *
 * @throws {Failure}
 */
export function checkBytes(
  bytes: Uint8Array,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  name: string,
): void {
  if (bytes.length !== size) {
    throw new Failure(`${name}: has ${bytes.length} bytes, but ${size} were announced`);
  }
  const found = digestOf(bytes, digestAlgorithm(digest));
  if (found !== digest) throw new Failure(`${name}: its bytes have the digest ${found}`);
}
