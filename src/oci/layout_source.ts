/** An image in an OCI layout (image-spec, image-layout.md), which lies in a directory or in a tar. */
import { Failure } from "../failure.ts";
import { quoted } from "./quoted.ts";
import { CHUNK_SIZE } from "../aci/bytes/source.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Digest, digestAlgorithm, digestHex, isDigest } from "./digest.ts";
import {
  choosePlatform,
  documentErrors,
  jsonOf,
  MAX_DOCUMENT,
  type OciIndex,
  parseDocument,
} from "./image_documents.ts";
import {
  checkBytes,
  type ImageSource,
  type ResolvedManifest,
  resolveManifest,
  verifiedStream,
} from "./image_source.ts";
import { documentKind } from "./media_types.ts";
import { isCalledInDocker, savedName } from "./image_names.ts";
import type { Platform } from "./platform.ts";

/** Files by their path in a layout. */
export interface LayoutFiles extends AsyncDisposable {
  /** The whole content; `undefined` where there is no such file. @throws {Failure} larger than the limit */
  read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** The content, a chunk at a time; `undefined` where there is no such file. */
  stream(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined>;
}

/** Which image of a layout. */
export interface LayoutChoice {
  /** How messages name it. */
  readonly name: string;
  /** A tag, or `@` and a digest; without it, the only image. */
  readonly tag?: string;
  readonly platform: Platform;
}

/** An image of a layout. The files are disposed with it. */
export class LayoutSource implements ImageSource {
  readonly name: string;
  readonly platform: Platform;
  readonly #files: LayoutFiles;
  readonly #tag: string | undefined;
  #manifest: Promise<ResolvedManifest> | undefined;
  #savedName: string | undefined;

  constructor(files: LayoutFiles, choice: LayoutChoice) {
    this.#files = files;
    this.name = choice.name;
    this.platform = choice.platform;
    this.#tag = choice.tag;
  }

  manifest(): Promise<ResolvedManifest> {
    return this.#manifest ??= this.#resolve();
  }

  async savedName(): Promise<string | undefined> {
    await this.manifest();
    return this.#savedName;
  }

  async blob(descriptor: Descriptor): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const name = `${this.name}: ${descriptor.digest}`;
    const stream = await this.#files.stream(blobPath(descriptor.digest));
    if (stream === undefined) throw new Failure(`${name}: not in the layout`);
    return verifiedStream(stream, descriptor, name);
  }

  async #resolve(): Promise<ResolvedManifest> {
    await this.#checkVersion();
    const index = await this.#files.read("index.json", MAX_DOCUMENT);
    if (index === undefined) throw new Failure(`${this.name}: no OCI layout: it has no index.json`);
    const document = parseDocument(index, `${this.name}: index.json`);
    if (document.kind !== "index") throw new Failure(`${this.name}: index.json is no index`);
    const chosen = this.#choose(document);
    this.#savedName = savedName(namesOf(chosen));
    const bytes = await this.#document(chosen);
    checkBytes(bytes, chosen, `${this.name}: manifest ${chosen.digest}`);
    const first = { bytes, mediaType: chosen.mediaType, digest: chosen.digest };
    return await resolveManifest(this.name, this.platform, first, async (descriptor) => {
      return { bytes: await this.#document(descriptor), mediaType: descriptor.mediaType };
    });
  }

  async #checkVersion(): Promise<void> {
    const marker = await this.#files.read("oci-layout", 1 << 16);
    if (marker === undefined) {
      throw new Failure(`${this.name}: no OCI layout: it has no file "oci-layout"`);
    }
    const { imageLayoutVersion } = documentErrors(`${this.name}: oci-layout`, () => jsonOf(marker));
    if (imageLayoutVersion === "1.0.0") return;
    throw new Failure(`${this.name}: an OCI layout of version ${quoted(imageLayoutVersion)}`);
  }

  async #document({ digest }: Descriptor): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#files.read(blobPath(digest), MAX_DOCUMENT);
    if (bytes !== undefined) return bytes;
    throw new Failure(`${this.name}: manifest ${digest} is not in the layout`);
  }

  #choose(index: OciIndex): Descriptor {
    const images = index.manifests.filter(({ mediaType }) => documentKind(mediaType) !== undefined);
    const tag = this.#tag;
    const fitting = tag === undefined ? images : images.filter((each) => isCalled(each, tag));
    const [only] = fitting;
    if (only !== undefined && fitting.length === 1) return only;
    const names = [...new Set(images.flatMap(namesOf))];
    // One name, several platforms: what an index is for, written flat.
    if (only !== undefined && new Set(fitting.map((each) => namesOf(each)[0])).size === 1) {
      return choosePlatform({ ...index, manifests: fitting }, this.platform, this.name);
    }
    const list = names.length === 0
      ? `${images.length} images without a name`
      : names.slice(0, 20).map(quoted).join(", ");
    throw new Failure(
      tag === undefined
        ? `${this.name}: which image? There is ${list}`
        : `${this.name}: no image is called ${quoted(tag)} in it; there is ${list}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }
}

function blobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** The names of an entry: its tag, and the whole name that containerd writes. */
function namesOf({ annotations }: Descriptor): string[] {
  return ["org.opencontainers.image.ref.name", "io.containerd.image.name"].flatMap((key) => {
    const name = annotations[key];
    return name === undefined ? [] : [name];
  });
}

function isCalled(descriptor: Descriptor, tag: string): boolean {
  const digest = tag.startsWith("@") ? tag.slice(1) : "";
  if (isDigest(digest)) return descriptor.digest === digest;
  return namesOf(descriptor).some((name) => isCalledInDocker(name, tag));
}

/**
 * The image of a layout in a directory.
 *
 * @throws {Failure} where there is no such directory
 */
export function openLayout(path: string, choice: LayoutChoice): LayoutSource {
  const info = statOf(path);
  if (info === undefined) throw new Failure(`${choice.name}: no such directory`);
  if (!info.isDirectory) throw new Failure(`${choice.name}: ${quoted(path)} is no directory`);
  return new LayoutSource(new DirectoryFiles(path), choice);
}

/** Files of a directory. Each is opened only when it is a regular file, so that a pipe can't make rkt wait. */
class DirectoryFiles implements LayoutFiles {
  constructor(readonly path: string) {}

  // deno-lint-ignore require-await
  async read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    using file = this.#open(path);
    if (file === undefined) return undefined;
    const { size } = file.statSync();
    if (size > limit) throw new Failure(`${this.path}/${path}: larger than ${limit} bytes`);
    const bytes = new Uint8Array(size);
    let at = 0;
    for (let count; at < size && (count = file.readSync(bytes.subarray(at))) !== null;) at += count;
    return bytes.subarray(0, at);
  }

  // deno-lint-ignore require-await
  async stream(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    const file = this.#open(path);
    return file === undefined ? undefined : fileStream(file);
  }

  #open(path: string): Deno.FsFile | undefined {
    const whole = `${this.path}/${path}`;
    const info = statOf(whole);
    if (info === undefined) return undefined;
    if (!info.isFile) throw new Failure(`${whole}: not a regular file`);
    return Deno.openSync(whole);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}

/** A part of a file as a stream, which closes the file at its end. */
export function fileStream(
  file: Deno.FsFile,
  size: number = Infinity,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = size;
  return new ReadableStream({
    pull(controller) {
      const buffer = new Uint8Array(Math.min(CHUNK_SIZE, left));
      const count = left === 0 ? null : file.readSync(buffer);
      if (count === null) {
        file.close();
        controller.close();
        return;
      }
      left -= count;
      controller.enqueue(buffer.subarray(0, count));
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}
