/**
 * Renders an image with its dependencies into one tree (appc spec, "Dependencies"): as if each image
 * were laid over those that it depends on. Done from the top downwards, so that each path is written
 * once, by the first image that provides it.
 */
import { Failure } from "../failure.ts";
import { KernelError } from "../linux/errno.ts";
import { type AciContents, type AciSink, readAci } from "./aci_reader.ts";
import { type ByteString, byteStringOfText, shown } from "../linux/byte_string.ts";
import type { ExtractedAci, ExtractOptions } from "./extract_options.ts";
import { LayerExtractor, named, type PendingLink } from "./layer.ts";
import { type ByteSource } from "./bytes/source.ts";
import { ROOTFS } from "./structure.ts";
import type { TarEntry } from "./tar/entry.ts";
import type { TreeTarget } from "./tree_target.ts";
import { TreeWriter } from "./tree_writer.ts";

/** An image and what it depends on. */
export interface ImageNode {
  /** The image ID, or the prefix of it that a store uses as its key. */
  readonly id: string;
  /** Opens the image, plain or compressed; may be called several times. */
  open(): ByteSource;
  /** Of an image of another format: then the bytes are not those of `id`. */
  readonly converted?: ConvertedImage;
  /** Absolute paths in the image; empty: everything. */
  readonly pathWhitelist: readonly string[];
  /** In the order of the manifest. */
  readonly dependencies: readonly ImageNode[];
}

/** An image of another format, whose bytes as an App Container Image lie nowhere. */
export interface ConvertedImage {
  /** Checks it, and gives its entries as an App Container Image has them, with the archives that their data lie in. */
  entries(): Promise<Iterable<PlacedEntry>>;
}

/** An entry, whose data are in an archive of the store. */
export interface PlacedEntry {
  /** The archive's ID; undefined for a directory that none lists. */
  readonly archive: string | undefined;
  readonly entry: TarEntry;
}

/** One image in its place in the order. */
export interface Layer {
  readonly id: string;
  open(): ByteSource;
  /** As of {@linkcode ImageNode}. */
  readonly converted?: ConvertedImage;
  /** The image's own whitelist, as paths in the archive: filters what is no directory. */
  readonly ownPaths: ReadonlySet<ByteString> | undefined;
  /** Whitelists of the images that pulled it in: filter everything. */
  readonly inheritedPaths: readonly ReadonlySet<ByteString>[];
}

/** Layers of one image; a dependency may count several times, under different whitelists. */
const MAX_LAYERS = 1024;

/**
 * Renders `image` into `directory`, which exists and is empty: `manifest` of the top image and the
 * merged `rootfs`. Every image's bytes are hashed again and must match its `id`.
 *
 * @returns what the top image contained
 * @throws {Failure}
 */
export async function renderImage(
  image: ImageNode,
  directory: string,
  options: ExtractOptions = {},
): Promise<AciContents> {
  return await renderLayers(layersOf(image), directory, options);
}

/**
 * The images in the order in which they provide paths, the top first. The spec's order (A→[B,C], both
 * →[D] gives D,B,D,C,A, later wins) turned round; of equal ones only the first counts.
 *
 * @throws {Failure} for a cycle
 */
export function layersOf(image: ImageNode): readonly Layer[] {
  const layers: Layer[] = [];
  const seen = new Set<string>();
  const whitelists = new Map<string, ReadonlySet<ByteString>>();
  const visit = (
    node: ImageNode,
    above: readonly string[],
    inherited: readonly ReadonlySet<ByteString>[],
    inheritedKey: string,
  ): void => {
    if (above.includes(node.id)) {
      throw new Failure(`image ${node.id} depends on itself, by way of ${above.at(-1)}`);
    }
    const key = `${node.id} ${inheritedKey}`;
    if (seen.has(key)) return;
    seen.add(key);
    if (layers.length >= MAX_LAYERS) {
      throw new Failure(
        `image ${
          above[0] ?? node.id
        }: path whitelists make over ${MAX_LAYERS} layers of its images`,
      );
    }
    let own: ReadonlySet<ByteString> | undefined;
    if (node.pathWhitelist.length > 0) {
      own = whitelists.get(node.id) ?? new Set(node.pathWhitelist.map(pathInArchive));
      whitelists.set(node.id, own);
    }
    layers.push({
      id: node.id,
      open: () => node.open(),
      ...node.converted && { converted: node.converted },
      ownPaths: own,
      inheritedPaths: inherited,
    });
    for (const dependency of node.dependencies.toReversed()) {
      visit(
        dependency,
        [...above, node.id],
        own === undefined ? inherited : [...inherited, own],
        own === undefined ? inheritedKey : `${inheritedKey} ${node.id}`,
      );
    }
  };
  visit(image, [], [], "");
  return layers;
}

function pathInArchive(path: string): ByteString {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return byteStringOfText([ROOTFS, ...parts].join("/"));
}

/** Extracts layers, the top first, into one tree. Sources are opened when needed, and disposed. */
export async function renderLayers(
  layers: readonly Layer[],
  directory: string,
  options: ExtractOptions,
): Promise<ExtractedAci> {
  using writer = new TreeWriter(directory, options);
  const extracted = await mergeLayers(layers, writer, options);
  finish(writer, directory);
  return extracted;
}

/** How layers are merged, whatever the tree is made of. */
export type MergeOptions = Pick<
  ExtractOptions,
  "rootfsOnly" | "onBytes" | "onManifest" | "danglingLinks"
>;

/**
 * Merges layers, the top first, into one tree. Sources are opened when needed, and disposed.
 *
 * @returns what the top image contained
 * @throws {Failure} also for a link whose target no layer has, unless that is to be reported
 */
export async function mergeLayers(
  layers: readonly Layer[],
  writer: TreeTarget,
  options: MergeOptions,
): Promise<ExtractedAci> {
  let pending: readonly PendingLink[] = [];
  let top: AciContents | undefined;
  for (const layer of layers) {
    const isTop = top === undefined;
    const opened = openLayer(layer, writer);
    const extractor = new LayerExtractor(writer, {
      name: opened.name,
      rootfsOnly: options.rootfsOnly ?? false,
      isTop,
      accepts: (entry) => accepts(layer, entry),
    });
    const contents = await opened.read({
      entry: (entry) => extractor.entry(entry),
      data: (chunk, from, to, offset) => extractor.data(chunk, from, to, offset),
      end: (entry) => extractor.end(entry),
      ...isTop && options.onBytes !== undefined && { bytes: options.onBytes },
      ...isTop && options.onManifest !== undefined && { manifest: options.onManifest },
    });
    top ??= contents;
    pending = await settleLinks([...pending, ...extractor.pending], layer, extractor, writer);
  }
  const danglingLink = dangling(pending);
  if (danglingLink !== undefined) {
    if (options.danglingLinks !== "report") throw new Failure(danglingLink);
    for (const link of pending) writer.release(link.path);
  }
  if (top === undefined) throw new Error("no layers to render");
  return { ...top, ...danglingLink !== undefined && { danglingLink } };
}

/** A layer that is about to be read. */
interface OpenLayer {
  /** For messages. */
  readonly name: string;
  read(sink: AciSink & Required<Pick<AciSink, "entry" | "end">>): Promise<AciContents>;
}

/**
 * Opens a layer. An image of another format is converted for a tree of files only: an index takes the data from where they
 * lie.
 */
function openLayer({ id, converted, open }: Layer, writer: TreeTarget): OpenLayer {
  if (converted !== undefined && writer.archive !== undefined) {
    return {
      name: `image ${id}`,
      async read(sink) {
        for (const { archive, entry } of await converted.entries()) {
          if (archive !== undefined) writer.archive?.(archive);
          if (sink.entry(entry)) sink.end(entry);
        }
        return { imageId: id, manifestText: "", size: 0 };
      },
    };
  }
  const source = open();
  return {
    name: source.name,
    async read(sink) {
      writer.archive?.(id);
      const contents = await readAci(source, sink);
      if (converted !== undefined || contents.imageId.startsWith(id)) return contents;
      throw new Failure(
        `${source.name}: damaged: its image ID is ${contents.imageId}, not ${id}; fetch it again`,
      );
    },
  };
}

function dangling([link]: readonly PendingLink[]): string | undefined {
  if (link === undefined) return undefined;
  return `${link.what} is a hardlink to ${shown(link.target)}, which is missing or a directory`;
}

function accepts(layer: Layer, entry: TarEntry): boolean {
  const { path } = entry;
  if (path === ROOTFS || !path.startsWith("rootfs/")) return true;
  if (entry.kind !== "directory" && layer.ownPaths?.has(path) === false) return false;
  return layer.inheritedPaths.every((paths) => paths.has(path));
}

function finish(writer: TreeWriter, directory: string): void {
  try {
    writer.finish();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new Failure(`${directory}: ${error.message}`, undefined, { cause: error });
  }
}

/**
 * Makes the links whose target this layer has. A target may have been dropped, because an image above
 * provides another file of that name, or a whitelist leaves it out: then its content is read from
 * the archive a second time, straight to the link's name.
 *
 * @returns the links whose target is not in this layer
 */
async function settleLinks(
  links: readonly PendingLink[],
  layer: Layer,
  extractor: LayerExtractor,
  writer: TreeTarget,
): Promise<readonly PendingLink[]> {
  const open: PendingLink[] = [];
  const again = new Map<ByteString, PendingLink[]>();
  for (const link of links) {
    const found = extractor.find(link.target);
    const target = found?.created ? extractor.pathInTree(found.path) : undefined;
    if (target !== undefined) replaceByLink(writer, link, target);
    else if (found === undefined) open.push(link);
    else again.set(found.path, [...again.get(found.path) ?? [], link]);
  }
  if (again.size > 0) await readAgain(layer, again, writer);
  return open;
}

function replaceByLink(writer: TreeTarget, link: PendingLink, target: ByteString): void {
  try {
    writer.release(link.path);
    writer.link(link.path, target);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new Failure(`${link.what}: ${error.message}`, undefined, { cause: error });
  }
}

async function readAgain(
  layer: Layer,
  wanted: ReadonlyMap<ByteString, readonly PendingLink[]>,
  writer: TreeTarget,
): Promise<void> {
  const opened = openLayer(layer, writer);
  const create = (entry: TarEntry): boolean => {
    const [first, ...others] = wanted.get(entry.path) ?? [];
    if (first === undefined) return false;
    writer.release(first.path);
    writer.create(first.path, entry);
    for (const link of others) replaceByLink(writer, link, first.path);
    return entry.kind === "file";
  };
  let current: TarEntry | undefined;
  const naming = <T>(entry: TarEntry, step: () => T): T => {
    try {
      return step();
    } catch (error) {
      throw named(opened.name, entry, error);
    }
  };
  await opened.read({
    entry: (entry) => naming(current = entry, () => create(entry)),
    data(chunk, from, to, offset) {
      const entry = current;
      if (entry === undefined) return;
      naming(entry, () => writer.data(entry, chunk, from, to, offset));
    },
    end: (entry) => naming(entry, () => writer.end(entry)),
  });
}
