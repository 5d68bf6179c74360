/** Writes the file system of an image, as its layers were merged, to whatever takes a tree entry by entry. */
import { CHUNK_SIZE } from "../aci/bytes/source.ts";
import type { TarEntry } from "../aci/tar/entry.ts";
import type { TreeWriter } from "../aci/tree_writer.ts";
import { Failure } from "../failure.ts";
import { type ByteString, shown } from "../linux/byte_string.ts";
import { KernelError } from "../linux/errno.ts";
import { piecesOf } from "./layer_entries.ts";
import { type LayerFile, StoredLayer } from "./stored_layer.ts";
import { isDirectory, type MergedDirectory, type MergedNode } from "./merged_tree.ts";

/** What takes a tree. */
export type TreeTaker = Pick<TreeWriter, "create" | "data" | "end" | "link">;

/**
 * Writes a tree: a directory before what is in it, names in the order of their bytes, the further names of a file as links.
 *
 * @param layers those that have the files' bytes, bottom first
 * @throws {Failure} that names the entry
 */
export function writeTree(
  root: MergedDirectory,
  layers: readonly LayerFile[],
  target: TreeTaker,
): void {
  using files = new LayerFiles(layers);
  /** Of files that may have several names: the first. */
  const names = new Map<MergedNode, ByteString>();
  const write = (path: ByteString, node: MergedNode): void => {
    const { entry } = node;
    try {
      const first = names.get(node);
      if (first !== undefined) return void target.link(path, first);
      if (node.isLinked === true) names.set(node, path);
      const created = target.create(path, entry);
      if (created !== "created") throw new Failure(`${shown(path)} can't be made: it ${created}`);
      if (entry.kind !== "file") return;
      files.copy(node, target);
      target.end(entry);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      throw new Failure(`${shown(path)}: ${error.message}`, undefined, { cause: error });
    }
  };
  for (const [path, node] of nodesOf(root)) write(path, node);
}

/** The nodes of a tree with their paths: a directory before what is in it, names in the order of their bytes. */
export function* nodesOf(
  directory: MergedDirectory,
  path: ByteString = "",
): Generator<readonly [path: ByteString, node: MergedNode]> {
  if (path === "") yield [path, directory];
  for (const name of [...directory.children.keys()].sort()) {
    const node = directory.children.get(name);
    if (node === undefined) continue;
    const below = path === "" ? name : `${path}/${name}`;
    yield [below, node];
    if (isDirectory(node)) yield* nodesOf(node, below);
  }
}

/** Layers, each opened when it is needed first. */
export class LayerFiles implements Disposable {
  readonly #layers: readonly LayerFile[];
  readonly #open: (StoredLayer | undefined)[] = [];
  readonly #buffer = new Uint8Array(CHUNK_SIZE);

  constructor(layers: readonly LayerFile[]) {
    this.#layers = layers;
  }

  /** Hands the bytes of a file to who takes them. */
  copy(node: MergedNode, target: Pick<TreeTaker, "data">): void {
    for (const [chunk, at] of this.chunks(node)) {
      target.data(node.entry, chunk, 0, chunk.length, at);
    }
  }

  /** The bytes of a file with their offsets in it; a chunk is valid until the next one. */
  *chunks(
    { entry, layer }: MergedNode,
  ): Generator<readonly [chunk: Uint8Array<ArrayBuffer>, at: number]> {
    for (const piece of piecesOf(entry)) {
      const file = this.#file(layer);
      for (let done = 0; done < piece.length;) {
        const n = file.read(piece.from + done, this.#buffer.subarray(0, piece.length - done));
        if (n === 0) throw this.#cut(layer, entry);
        yield [this.#buffer.subarray(0, n), piece.at + done];
        done += n;
      }
    }
  }

  #file(layer: number): StoredLayer {
    const open = this.#open[layer];
    if (open !== undefined) return open;
    const stored = this.#layers[layer];
    if (stored === undefined) throw new Error(`the image has no layer ${layer}`);
    try {
      return this.#open[layer] = new StoredLayer(stored);
    } catch (error) {
      if (error instanceof Failure) throw error;
      const missing = error instanceof Deno.errors.NotFound;
      const reason = missing ? "is gone; fetch the image again" : String(error);
      throw new Failure(`the layer ${stored.path} ${reason}`, undefined, { cause: error });
    }
  }

  #cut(layer: number, entry: TarEntry): Failure {
    return new Failure(
      `the layer ${this.#layers[layer]?.path} is cut short, within ${
        shown(entry.path)
      }; fetch the image again`,
    );
  }

  [Symbol.dispose](): void {
    for (const layer of this.#open) layer?.[Symbol.dispose]();
  }
}
