/**
 * The file system of an image, out of its layers: decided in memory, so that no path is ever followed where an archive has
 * put a link. Whoever writes a tree of files or an index for a file system takes the nodes as they are here.
 */
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import type { TarEntry } from "../aci/tar/entry.ts";
import { type ByteString, shown } from "../linux/byte_string.ts";
import { EntryList } from "./entry_list.ts";
import type { LayerEntries } from "./layer_entries.ts";

/** A file, directory, link or node of the image. Names that are hard links have the same node. */
export class MergedNode {
  readonly #source: EntryList | TarEntry;
  readonly #index: number;
  /** Whether it may have several names: then a hard link has led to it. */
  isLinked = false;

  /**
   * @param source a layer's entries, of which it is one, or an entry that no layer has
   * @param index its number among a layer's entries
   * @param layer the index of the layer that has its bytes
   * @param children what is in a directory, by name; absent for all else
   */
  constructor(
    source: EntryList | TarEntry,
    index: number,
    readonly layer: number,
    readonly children?: Map<ByteString, MergedNode>,
  ) {
    this.#source = source;
    this.#index = index;
  }

  /**
   * What it is like; made anew each time. `path` is the name that it was made by; a node of several names has one of them.
   * Never a hardlink.
   */
  get entry(): TarEntry {
    return this.#source instanceof EntryList ? this.#source.at(this.#index) : this.#source;
  }
}

/** A directory of the image. */
export type MergedDirectory = MergedNode & { readonly children: Map<ByteString, MergedNode> };

/** Nodes of one image: what is held in memory. */
const MAX_NODES = 2_000_000;
/** Components of a path: more do not fit into PATH_MAX. */
const MAX_DEPTH = 1024;

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/**
 * Lays layers over each other (image-spec, layer.md, "Applying Changesets").
 *
 * A whiteout takes away what lower layers have, and never what its own layer adds, wherever in the tar it stands. A
 * directory over a directory keeps what is in it; all else replaces what has its name.
 *
 * @param layers bottom first
 * @returns the root
 * @throws {ArchiveError} that names layer and entry: a parent that is no directory, a hard link to nothing
 */
export function mergeLayers(layers: readonly LayerEntries[]): MergedDirectory {
  const merge = new Merge();
  layers.forEach((layer, index) => merge.apply(layer, index));
  return merge.root;
}

class Merge {
  root = impliedDirectory("");
  #entries = new EntryList();
  #nodes = 0;
  #layer = 0;
  #name = "";
  /** The parent of the entry before: entries come a directory at a time. */
  #lastPath: ByteString = "";
  #lastParent: MergedDirectory | undefined;

  apply(layer: LayerEntries, index: number): void {
    this.#layer = index;
    this.#name = layer.name;
    // All before anything is added: both are about lower layers only.
    for (const path of layer.opaque) this.#lower(path)?.children?.clear();
    for (const path of layer.whiteouts) {
      const { parent, name } = split(path);
      this.#lower(parent)?.children?.delete(name);
    }
    this.#lastParent = undefined;
    this.#entries = layer.added;
    for (let i = 0; i < layer.added.length; i++) this.#add(layer.added.at(i), i);
  }

  /** What lower layers have at a path; links are not followed. */
  #lower(path: ByteString): MergedNode | undefined {
    let node: MergedNode | undefined = this.root;
    for (const name of components(path)) node = node?.children?.get(name);
    return node;
  }

  #add(entry: TarEntry, index: number): void {
    if (++this.#nodes > MAX_NODES) this.#fail(entry, `is one too many: at most ${MAX_NODES}`);
    if (entry.path === "") {
      this.root = this.#directory(index, this.root.children);
      this.#lastParent = undefined;
      return;
    }
    const { parent: parentPath, name } = split(entry.path);
    const parent = this.#parent(entry, parentPath);
    if (entry.kind === "hardlink") {
      parent.children.set(name, this.#target(entry));
      return;
    }
    if (entry.kind !== "directory") {
      parent.children.set(name, new MergedNode(this.#entries, index, this.#layer));
      return;
    }
    const kept = parent.children.get(name)?.children ?? new Map();
    parent.children.set(name, this.#directory(index, kept));
    // It may have been the remembered parent, or one above it.
    this.#lastParent = undefined;
  }

  /** The directory that an entry is in; made where no layer has it. */
  #parent(entry: TarEntry, path: ByteString): MergedDirectory {
    if (this.#lastParent !== undefined && path === this.#lastPath) return this.#lastParent;
    let node = this.root;
    let at = "";
    const names = components(path);
    if (names.length >= MAX_DEPTH) this.#fail(entry, `is deeper than ${MAX_DEPTH} directories`);
    for (const name of names) {
      at = at === "" ? name : `${at}/${name}`;
      const next = node.children.get(name);
      if (next === undefined) {
        const made = impliedDirectory(at, this.#layer);
        node.children.set(name, made);
        node = made;
      } else if (isDirectory(next)) node = next;
      else this.#fail(entry, `is below ${shown(at)}, which is a ${next.entry.kind}`);
    }
    this.#lastPath = path;
    return this.#lastParent = node;
  }

  #target(entry: TarEntry): MergedNode {
    const found = this.#lower(entry.link);
    if (found === undefined) {
      return this.#fail(entry, `is a hardlink to ${shown(entry.link)}, which no layer has so far`);
    }
    if (isDirectory(found)) {
      return this.#fail(entry, `is a hardlink to ${shown(entry.link)}, which is a directory`);
    }
    found.isLinked = true;
    return found;
  }

  #directory(index: number, children: Map<ByteString, MergedNode>): MergedDirectory {
    const node = new MergedNode(this.#entries, index, this.#layer, children);
    if (!isDirectory(node)) throw new TypeError("a node with children is a directory");
    return node;
  }

  #fail(entry: TarEntry, what: string): never {
    throw new ArchiveError(
      `${this.#name}: entry ${shown(entry.path)} at byte ${entry.offset} ${what}`,
    );
  }
}

/** Whether a node is a directory. */
export function isDirectory(node: MergedNode): node is MergedDirectory {
  return node.children !== undefined;
}

/** A directory that no layer lists. */
export function impliedDirectory(path: ByteString, layer = 0): MergedDirectory {
  const node = new MergedNode(implied(path), 0, layer, new Map());
  if (!isDirectory(node)) throw new TypeError("a node with children is a directory");
  return node;
}

function implied(path: ByteString): TarEntry {
  return {
    ...{ kind: "directory", path, link: "", mode: 0o755, uid: 0, gid: 0, size: 0 },
    ...{ mtime: 0, mtimeNs: 0, major: 0, minor: 0, xattrs: NO_XATTRS, sparse: false, offset: 0 },
    dataOffset: 0,
  };
}

function components(path: ByteString): readonly ByteString[] {
  return path === "" ? [] : path.split("/");
}

function split(path: ByteString): { readonly parent: ByteString; readonly name: ByteString } {
  const slash = path.lastIndexOf("/");
  return { parent: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1) };
}
