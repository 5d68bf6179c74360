/**
 * Importing an OCI image: each layer in one pass from where it comes from into the store, hashed before and after
 * decompression; several side by side. Layers that are there already are not asked for.
 */
import { ownership } from "../ownership.ts";
import { type ByteSource, streamSource } from "../../aci/bytes/source.ts";
import type { StoreKey } from "../../appc/image_id.ts";
import { parseImageManifest } from "../../appc/image_manifest.ts";
import { Failure } from "../../failure.ts";
import type { LayerEntries } from "../../layers/layer_entries.ts";
import { readFile } from "../../layers/look_up.ts";
import { mergeLayers } from "../../layers/merged_tree.ts";
import { exists } from "../../linux/exists.ts";
import { syncDirectory } from "../../linux/sync.ts";
import { appcManifest, CONVERSION, type ImageTitle } from "../../oci/appc_manifest.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestWithDash } from "../../oci/digest.ts";
import { digestOf } from "../../oci/hash.ts";
import { type OciConfig, parseConfig } from "../../oci/image_config.ts";
import { type ImageSource, readConfig, type ResolvedManifest } from "../../oci/image_source.ts";
import { imageUser } from "../../oci/image_users.ts";
import { boundedSize, fullDisk, tooLarge } from "../full_disk.ts";
import { indexMethod, keepsCompressed } from "../tree/mount_tree.ts";
import { type ImageInfo, readImageInfo, type Signer } from "../image_info.ts";
import { type ImageFileKind, imagePath, shardPath, treePath } from "../layout.ts";
import { type OciTree, readStored, storedLayer } from "./oci_image.ts";
import { counted, type LayerProgress } from "./layer_progress.ts";
import { type DecryptLayer, openLayer } from "./open_layer.ts";
import { changeIndex } from "../open_index.ts";
import { readReference, readReferences } from "./references.ts";
import { writeReferences } from "./write_references.ts";
import { linkTree, publishTree } from "../render_tree.ts";
import type { ImageStore, StoredImage } from "../stored_image.ts";
import { TempDirectory } from "../temp_directory.ts";
import { treeIdOf } from "../tree_id.ts";
import { renderOciIndex } from "../tree/tree_index.ts";
import { writeLayer } from "./write_layer.ts";
import { writeOciTree } from "./write_oci_tree.ts";

/** How to import an OCI image. */
export interface ImportOciOptions {
  readonly title: ImageTitle;
  /** Names that stand for the image from now on, as `referenceText()` writes them. */
  readonly references: readonly string[];
  /**
   * Judges the image by its manifest, before any layer is asked for: throws a `Failure` to refuse it, returns who signed
   * it.
   */
  readonly verify?: (resolved: ResolvedManifest) => Promise<readonly Signer[]>;
  /**
   * Wraps a layer as it comes, such that it is unpacked no further than what has come of it allows, until all of it was
   * compared with its digest.
   */
  readonly gate?: (layer: ByteSource) => ByteSource;
  readonly decrypt?: DecryptLayer;
  /** The most bytes that its layers may have, unpacked, together. Default: what there is room for. */
  readonly maxBytes?: number | undefined;
  /** Told of the bytes that come, layer by layer; returns what is told of those of one. */
  readonly onLayer?: (layer: Descriptor) => LayerProgress;
  /** Whether to render the tree too. Default: if this is root. */
  readonly render?: boolean;
}

/** Layers that come side by side: beyond that a registry answers no faster, and memory is bounded. */
const PARALLEL_LAYERS = 3;
/** How often layers are asked for again that were removed meanwhile. */
const MOST_ROUNDS = 3;
/** The largest passwd or group file that is read, in bytes. */
const LARGEST_FILE = 4 << 20;

/** See {@linkcode Store.importOci}. */
export async function importOci(
  store: ImageStore,
  source: ImageSource,
  options: ImportOciOptions,
): Promise<StoredImage> {
  try {
    const resolved = await source.manifest();
    checkSizes(source.name, resolved, options.maxBytes);
    const signers = await options.verify?.(resolved) ?? [];
    const documents = await configOf(store, source, resolved);
    using temp = TempDirectory.create(store.dataDir);
    const image = new Import(store, source, { ...options, signers }, temp.path, {
      resolved,
      ...documents,
    });
    return await image.run();
  } catch (error) {
    throw fullDisk(error, source.name, store.dataDir);
  }
}

/** Refuses what is too large as it is transported already, before any of it is. */
function checkSizes(name: string, { manifest }: ResolvedManifest, maxBytes?: number): void {
  const transported = manifest.layers.reduce((sum, { size }) => sum + size, 0);
  if (maxBytes !== undefined && transported > maxBytes) throw tooLarge(name, maxBytes);
}

/** The configuration: of an image that is in the store, from there. */
async function configOf({ dataDir }: ImageStore, source: ImageSource, resolved: ResolvedManifest) {
  const path = imagePath(dataDir, "ociConfig", keyOf(resolved));
  const { manifest } = resolved;
  if (exists(path)) {
    const bytes = Deno.readFileSync(path);
    if (digestOf(bytes) === manifest.config.digest) {
      return { bytes, config: parseConfig(bytes, source.name, manifest) };
    }
  }
  return await readConfig(source);
}

/** The digest of the manifest; of one that is named by another algorithm, too. */
function keyOf({ bytes, digest }: ResolvedManifest): StoreKey {
  const sha256 = digest.startsWith("sha256:") ? digest : digestOf(bytes);
  return digestWithDash(sha256) as unknown as StoreKey;
}

/** What is known of an image before its layers. */
interface Documents {
  readonly resolved: ResolvedManifest;
  readonly bytes: Uint8Array;
  readonly config: OciConfig;
}

class Import {
  readonly #store: ImageStore;
  readonly #source: ImageSource;
  readonly #options: ImportOciOptions & { readonly signers: readonly Signer[] };
  readonly #temp: string;
  readonly #documents: Documents;
  readonly #key: StoreKey;
  /** The ID of the image's tree, known from the begin of `run()` on. */
  #treeId = "";
  /** What the layers say, by diff ID. */
  readonly #layers = new Map<Digest, LayerEntries>();
  /** Bytes of the uncompressed layers, by diff ID. */
  readonly #sizes = new Map<Digest, number>();
  #files = 0;
  /** Told of what is unpacked of all layers. */
  readonly #bound: (bytes: number) => void;
  /** Whether the tree is to be an index of the layers. */
  #indexed = false;
  /** Whether new layers are kept compressed. */
  #compresses = false;

  constructor(
    store: ImageStore,
    source: ImageSource,
    options: ImportOciOptions & { readonly signers: readonly Signer[] },
    temp: string,
    documents: Documents,
  ) {
    this.#store = store;
    this.#source = source;
    this.#options = options;
    this.#temp = temp;
    this.#documents = documents;
    this.#key = keyOf(documents.resolved);
    const { name } = source;
    this.#bound = boundedSize({ name, dataDir: store.dataDir, maxBytes: options.maxBytes });
  }

  async run(): Promise<StoredImage> {
    this.#treeId = await treeIdOf([this.#key]);
    this.#indexed = this.#renders() && await indexMethod(this.#store.dataDir) !== undefined;
    this.#compresses = this.#indexed && keepsCompressed(this.#store.dataDir);
    for (let round = 1;; round++) {
      await this.#fetchLayers();
      using _lock = this.#store.prepareLock();
      if (this.#missing().length > 0 && round < MOST_ROUNDS) continue;
      await this.#readStoredLayers();
      return this.#publish();
    }
  }

  #missing(): readonly number[] {
    const { diffIds } = this.#documents.config;
    return diffIds.flatMap((diffId, i) => {
      const first = diffIds.indexOf(diffId) === i;
      return first && !exists(storedLayer(this.#store.dataDir, diffId).path) ? [i] : [];
    });
  }

  async #fetchLayers(): Promise<void> {
    const left = [...this.#missing()];
    const failed = new AbortController();
    const worker = async () => {
      for (let i = left.shift(); i !== undefined; i = left.shift()) {
        if (failed.signal.aborted) return;
        try {
          await this.#fetchLayer(i);
        } catch (error) {
          failed.abort();
          throw error;
        }
      }
    };
    const outcomes = await Promise.allSettled(Array.from({ length: PARALLEL_LAYERS }, worker));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  async #fetchLayer(index: number): Promise<void> {
    const { resolved: { manifest }, config: { diffIds } } = this.#documents;
    const [descriptor, diffId] = [manifest.layers[index], diffIds[index]];
    if (descriptor === undefined || diffId === undefined) throw new Error(`no layer ${index}`);
    const name = this.#layerName(index);
    const progress = this.#options.onLayer?.(descriptor);
    const path = `${this.#temp}/layer-${this.#files++}`;
    try {
      const stream = await this.#source.blob(descriptor);
      using transported = counted(streamSource(name, stream), descriptor.size, progress);
      using gated = this.#options.gate?.(transported) ?? transported;
      using source = await openLayer(gated, descriptor, this.#options.decrypt);
      const read = await writeLayer(source, path, {
        compress: this.#compresses,
        onBytes: this.#bound,
      });
      if (read.diffId !== diffId) {
        throw new Failure(
          `${name}: its content is ${read.diffId}, but the configuration says ${diffId}`,
        );
      }
      this.#publishLayer(path, diffId);
      this.#layers.set(diffId, read.entries);
      this.#sizes.set(diffId, read.size);
    } finally {
      progress?.end();
    }
  }

  #layerName(index: number): string {
    const count = this.#documents.config.diffIds.length;
    return `${this.#source.name}: layer ${index + 1} of ${count}`;
  }

  /** At once, and not with the image: a pull that is interrupted goes on with the layers that it has. */
  #publishLayer(path: string, diffId: Digest): void {
    const { dataDir } = this.#store;
    const [kind, key] = [
      this.#compresses ? "compressedLayer" : "layer",
      digestWithDash(diffId),
    ] as const;
    const directory = shardPath(dataDir, kind, key);
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    Deno.renameSync(path, imagePath(dataDir, kind, key));
    syncDirectory(directory);
  }

  /** Layers that were there before: each is hashed again, so what is damaged goes into no new image. */
  async #readStoredLayers(): Promise<void> {
    if (this.#isThere()) return;
    for (const [i, diffId] of this.#documents.config.diffIds.entries()) {
      if (this.#layers.has(diffId)) continue;
      const stored = storedLayer(this.#store.dataDir, diffId);
      const read = await readStored(stored).catch((error: unknown) => ({ error }));
      if ("error" in read || read.diffId !== diffId) {
        Deno.removeSync(stored.path);
        throw new Failure(`${this.#layerName(i)} was damaged in the store; fetch the image again`);
      }
      this.#layers.set(diffId, read.entries);
      this.#sizes.set(diffId, read.size);
    }
  }

  /** Whether the image is in the store already, with its tree if it is to have one: then only its names may be new. */
  #isThere(): boolean {
    const { dataDir } = this.#store;
    return exists(imagePath(dataDir, "imageManifest", this.#key)) &&
      readImageInfo(dataDir, this.#key).conversion === CONVERSION &&
      (!this.#renders() || exists(treePath(dataDir, this.#treeId)));
  }

  #renders(): boolean {
    return this.#options.render ?? Deno.uid() === 0;
  }

  #publish(): StoredImage {
    const { dataDir } = this.#store;
    const there = this.#isThere();
    const tree = there ? undefined : this.#tree();
    const manifestText = tree === undefined
      ? Deno.readTextFileSync(imagePath(dataDir, "imageManifest", this.#key))
      : this.#manifestText(tree);
    const rendered = tree !== undefined && this.#renders() ? this.#render(tree) : undefined;
    const now = new Date();
    const info = this.#info();
    this.#publishFiles(manifestText, info, now);
    this.#changeIndex(manifestText, info, now);
    if (rendered !== undefined) publishTree(dataDir, this.#treeId, rendered);
    if (this.#renders()) linkTree(dataDir, this.#key, this.#treeId);
    this.#store.skeleton();
    const [reference] = this.#options.references;
    const stored = reference === undefined
      ? this.#store.read(this.#key)
      : readReference(this.#store, reference);
    if (stored === undefined) throw new Error(`image ${this.#key} is not there`);
    return stored;
  }

  #tree(): OciTree {
    const { diffIds } = this.#documents.config;
    const entries = diffIds.flatMap((diffId) => this.#layers.get(diffId) ?? []);
    if (entries.length !== diffIds.length) throw new Error("a layer was not read");
    const layers = diffIds.map((diffId) => storedLayer(this.#store.dataDir, diffId));
    return { root: mergeLayers(entries), layers };
  }

  #manifestText({ root, layers }: OciTree): string {
    const { resolved: { manifest, digest }, config } = this.#documents;
    const read = (path: string) => {
      const bytes = readFile(root, path, layers, LARGEST_FILE);
      return bytes && new TextDecoder().decode(bytes);
    };
    const user = imageUser(config.process, read);
    return appcManifest({ title: this.#options.title, manifest, config, digest, user });
  }

  #render(tree: OciTree): string {
    const path = `${this.#temp}/tree`;
    if (this.#indexed && renderOciIndex(tree, path)) return path;
    Deno.mkdirSync(path, { mode: 0o755 });
    Deno.mkdirSync(`${path}/rootfs`, { mode: 0o755 });
    writeOciTree(tree, `${path}/rootfs`, ownership());
    return path;
  }

  #info(): ImageInfo {
    const before = readImageInfo(this.#store.dataDir, this.#key);
    const { signers } = this.#options;
    const older = before.signers.filter((b) =>
      signers.every((s) => s.fingerprint !== b.fingerprint)
    );
    const sizes = [...this.#sizes.values()].reduce((sum, size) => sum + size, 0);
    return {
      imageId: this.#key as unknown as NonNullable<ImageInfo["imageId"]>,
      latest: before.latest,
      signers: [...signers, ...older],
      size: this.#isThere() ? before.size ?? sizes : sizes,
      conversion: CONVERSION,
      indexes: [
        ...new Set([...this.#documents.resolved.indexes, ...before.indexes ?? []]),
      ],
    };
  }

  /** The manifest in App Container's words, which makes the image visible, last. */
  #publishFiles(manifestText: string, info: ImageInfo, now: Date): void {
    const { resolved, bytes } = this.#documents;
    const encoder = new TextEncoder();
    const files: readonly (readonly [ImageFileKind, Uint8Array])[] = [
      ["ociManifest", resolved.bytes],
      ["ociConfig", bytes],
      ["imageInfo", encoder.encode(JSON.stringify(info))],
      ["imageManifest", encoder.encode(manifestText)],
    ];
    const { dataDir } = this.#store;
    for (const [kind, content] of files) {
      const directory = shardPath(dataDir, kind, this.#key);
      Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
      const temporary = `${this.#temp}/${kind}`;
      {
        using file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o644 });
        for (let at = 0; at < content.length;) at += file.writeSync(content.subarray(at));
        file.syncSync();
      }
      const path = imagePath(dataDir, kind, this.#key);
      Deno.renameSync(temporary, path);
      syncDirectory(directory);
      // When it was imported, and when it was used last.
      Deno.utimeSync(path, now, now);
    }
  }

  #changeIndex(manifestText: string, info: ImageInfo, now: Date): void {
    const { dataDir } = this.#store;
    const { title, references } = this.#options;
    const { name } = parseImageManifest(manifestText);
    changeIndex(dataDir, (index) => {
      const importTime = now.getTime();
      const { latest, signers, size = 0 } = info;
      index.save({ key: this.#key, name, importTime, latest, size }, signers);
      if (references.length === 0) return;
      const { indexes, digest } = this.#documents.resolved;
      const stored = {
        key: this.#key,
        name: title.name,
        digest: indexes[0] ?? digest,
        ...title.version !== undefined && { version: title.version },
        time: importTime,
      };
      const all = { ...readReferences(dataDir) };
      for (const reference of references) all[reference] = stored;
      writeReferences(dataDir, all);
    });
  }
}
