/** Importing an image: one pass over its bytes, then a few renames. */
import { readAci } from "../aci/aci_reader.ts";
import { extractAci } from "../aci/extract.ts";
import type { ExtractedAci } from "../aci/extract_options.ts";
import { mergeLayers } from "../aci/render.ts";
import { type ByteSource, fileSource } from "../aci/bytes/source.ts";
import { AppcError } from "../appc/error.ts";
import { type ImageId, parseImageId, type StoreKey, storeKey } from "../appc/image_id.ts";
import { type ImageManifest, parseImageManifest } from "../appc/image_manifest.ts";
import { IndexTarget } from "../erofs/index_target.ts";
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";
import { replaceFile } from "../linux/atomic_file.ts";
import { syncDirectory } from "../linux/sync.ts";
import { boundedSize, fullDisk } from "./full_disk.ts";
import { type ImageInfo, readImageInfo, type Signer } from "./image_info.ts";
import { type ImageFileKind, imagePath, shardPath, treePath } from "./layout.ts";
import { changeIndex } from "./open_index.ts";
import { ownership } from "./ownership.ts";
import { linkTree, publishTree } from "./render_tree.ts";
import type { ImageStore, StoredImage } from "./stored_image.ts";
import { TempDirectory } from "./temp_directory.ts";
import { treeIdOf } from "./tree_id.ts";
import { indexMethod } from "./tree/mount_tree.ts";
import { writeTreeIndex } from "./tree/tree_index.ts";
import { isIndex } from "./tree/tree_root.ts";

/** What `verify` is told about an image that was read to its end. */
export interface ReadImage {
  readonly imageId: ImageId;
  readonly manifest: ImageManifest;
}

/** How to import. */
export interface ImportOptions {
  /**
   * Judges the image before anything of it is visible: throws a `Failure` to refuse it, returns who
   * signed it. Default: nobody did, and it is imported.
   */
  readonly verify?: (image: ReadImage) => readonly Signer[] | Promise<readonly Signer[]>;
  /** The armoured signature, to be kept beside the image. Read after {@linkcode verify}: one may be found only then. */
  readonly signature?: string | undefined;
  /** Whether the image was asked for without a version, so that it is preferred when it is again. */
  readonly latest?: boolean;
  /** Whether to render the tree in the same pass. Default: if this is root. */
  readonly render?: boolean;
  /** The most bytes that its archive may have, unpacked. Default: what there is room for. */
  readonly maxBytes?: number | undefined;
}

/** See {@linkcode Store.importAci}. */
export async function importAci(
  store: ImageStore,
  source: ByteSource,
  options: ImportOptions,
): Promise<StoredImage> {
  try {
    using temp = TempDirectory.create(store.dataDir);
    return await importInto(store, source, options, temp.path);
  } catch (error) {
    throw fullDisk(error, source.name, store.dataDir);
  }
}

async function importInto(
  store: ImageStore,
  source: ByteSource,
  options: ImportOptions,
  temp: string,
): Promise<StoredImage> {
  const tree = options.render ?? Deno.uid() === 0 ? `${temp}/tree` : undefined;
  const blob = `${temp}/blob`;
  const contents = tree !== undefined && await indexMethod(store.dataDir) !== undefined
    ? await writeIndexed(source, blob, tree, options.maxBytes)
    : await writeBlob(source, blob, tree, options.maxBytes);
  const imageId = parseImageId(contents.imageId);
  const manifest = parsedManifest(source.name, contents.manifestText);
  // What the archive holds is the whole tree only if nothing lies below it and all of it is wanted.
  const isWhole = manifest.dependencies.length === 0 && manifest.pathWhitelist.length === 0;
  if (isWhole && contents.danglingLink !== undefined) throw new Failure(contents.danglingLink);
  const signers = await options.verify?.({ imageId, manifest }) ?? [];
  const key = storeKey(imageId);
  const info = mergedInfo(store.dataDir, key, imageId, signers, options);
  using _lock = store.prepareLock();
  const now = new Date();
  publishImage(store.dataDir, key, temp, contents.manifestText, info, now);
  changeIndex(store.dataDir, (index) => {
    const { name } = manifest;
    const { latest, signers } = info;
    index.save({ key, name, importTime: now.getTime(), latest, size: contents.size }, signers);
  });
  if (tree !== undefined && isWhole) {
    const treeId = await treeIdOf([key]);
    // The archive has taken the place of an equal one, and the tree that is there is not to keep that.
    if (isIndex(store.dataDir, treeId) && exists(`${tree}/1`)) {
      Deno.renameSync(`${tree}/1`, `${treePath(store.dataDir, treeId)}/1`);
    } else publishTree(store.dataDir, treeId, tree);
    linkTree(store.dataDir, key, treeId);
  }
  store.skeleton();
  return {
    key,
    manifestText: contents.manifestText,
    manifest,
    blobPath: imagePath(store.dataDir, "blob", key),
  };
}

/** Reads the source once: hashes it, writes its plain bytes to `path`, extracts it to `tree`. */
async function writeBlob(
  source: ByteSource,
  path: string,
  tree: string | undefined,
  maxBytes: number | undefined,
): Promise<ExtractedAci> {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o640 });
  const bound = boundOf(source, path, maxBytes);
  const write = (chunk: Uint8Array) => {
    bound(chunk.length);
    writeAll(file, chunk);
  };
  if (tree === undefined) {
    const contents = await readAci(source, { bytes: write, manifest: refuses(source) });
    file.syncDataSync();
    return contents;
  }
  Deno.mkdirSync(tree, { mode: 0o755 });
  const contents = await extractAci(kept(source), tree, {
    onBytes: write,
    onManifest: refuses(source),
    danglingLinks: "report",
    ...ownership(),
  });
  file.syncDataSync();
  return contents;
}

/** Reads the source once, as {@linkcode writeBlob} does; the tree becomes an index of the blob where it can. */
async function writeIndexed(
  source: ByteSource,
  path: string,
  tree: string,
  maxBytes: number | undefined,
): Promise<ExtractedAci> {
  const target = new IndexTarget();
  const contents = await writeMerged(source, path, target, maxBytes);
  if (writeTreeIndex(target.tree, tree, () => path)) return contents;
  Deno.mkdirSync(tree, { mode: 0o755 });
  return await extractAci(fileSource(path), tree, { danglingLinks: "report", ...ownership() });
}

/** Writes the plain bytes to a new file, which is closed then: the index seals it. */
async function writeMerged(
  source: ByteSource,
  path: string,
  target: IndexTarget,
  maxBytes: number | undefined,
): Promise<ExtractedAci> {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o640 });
  const bound = boundOf(source, path, maxBytes);
  const layer = { id: "", open: () => kept(source), ownPaths: undefined, inheritedPaths: [] };
  const contents = await mergeLayers([layer], target, {
    rootfsOnly: true,
    onBytes: (chunk) => {
      bound(chunk.length);
      writeAll(file, chunk);
    },
    onManifest: refuses(source),
    danglingLinks: "report",
  });
  file.syncDataSync();
  return contents;
}

function boundOf({ name }: ByteSource, path: string, maxBytes: number | undefined) {
  return boundedSize({ name, dataDir: path.slice(0, path.lastIndexOf("/")), maxBytes });
}

function writeAll(file: Deno.FsFile, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length;) at += file.writeSync(chunk.subarray(at));
}

/** The source for one who disposes what he is given: it stays open, and the caller's. */
function kept(source: ByteSource): ByteSource {
  return {
    name: source.name,
    read: () => source.read(),
    ...source.between !== undefined && { between: source.between.bind(source) },
    [Symbol.dispose]: () => {},
  };
}

/** The manifest stands first in most archives: what is wrong with it is said before the rest is read. */
const refuses = ({ name }: ByteSource) => (text: string): void => void parsedManifest(name, text);

function parsedManifest(name: string, text: string): ImageManifest {
  try {
    return parseImageManifest(text);
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`${name}: its manifest is invalid: ${error.message}`, 254, { cause: error });
  }
}

/** What an image that is imported once more is known for: all who ever signed it. */
function mergedInfo(
  dataDir: string,
  key: StoreKey,
  imageId: ImageId,
  signers: readonly Signer[],
  options: ImportOptions,
): ImageInfo {
  const before = readImageInfo(dataDir, key);
  const signature = options.signature ?? before.signature;
  const older = before.signers.filter((b) => signers.every((s) => s.fingerprint !== b.fingerprint));
  return {
    imageId,
    latest: options.latest ?? before.latest,
    signers: [...signers, ...older],
    ...signature !== undefined && { signature },
  };
}

/** Moves the files of an image to their places: the manifest, which makes it visible, last. */
function publishImage(
  dataDir: string,
  key: StoreKey,
  temp: string,
  manifestText: string,
  info: ImageInfo,
  now: Date,
): void {
  const place = (kind: ImageFileKind) => {
    Deno.mkdirSync(shardPath(dataDir, kind, key), { recursive: true, mode: 0o700 });
    return imagePath(dataDir, kind, key);
  };
  const blob = place("blob");
  // Also in place of one that is there: it might be damaged, and this one was just hashed.
  Deno.renameSync(`${temp}/blob`, blob);
  syncDirectory(shardPath(dataDir, "blob", key));
  replaceFile(place("imageInfo"), JSON.stringify(info), { directory: temp });
  const manifest = place("imageManifest");
  if (!exists(manifest)) replaceFile(manifest, manifestText, { directory: temp });
  // When the image was imported, and when it was used last.
  Deno.utimeSync(manifest, now, now);
  Deno.utimeSync(blob, now, now);
}
