/** Extracts one image's archive into a tree that images above it may have filled already. */
import { Failure } from "../failure.ts";
import { KernelError } from "../linux/errno.ts";
import { type AciSink } from "./aci_reader.ts";
import { type ByteString, shown } from "../linux/byte_string.ts";
import { MANIFEST, ROOTFS } from "./structure.ts";
import type { TarEntry } from "./tar/entry.ts";
import type { TreeTarget } from "./tree_target.ts";

/** A hardlink whose target was not there when it came. Its name is reserved in the tree. */
export interface PendingLink {
  readonly path: ByteString;
  readonly target: ByteString;
  /** The archive and entry, for messages. */
  readonly what: string;
}

/** How a layer is extracted. */
export interface LayerOptions {
  /** The archive, for messages. */
  readonly name: string;
  /** Only what is below `rootfs/`, without that prefix. */
  readonly rootfsOnly: boolean;
  /** Whether its manifest is the tree's manifest. */
  readonly isTop: boolean;
  /** Whether a path belongs to the tree (whitelists). */
  readonly accepts: (entry: TarEntry) => boolean;
}

/** Gets the entries of one image and creates those that nothing above it provides. */
export class LayerExtractor implements AciSink {
  /** Links to be made when the layer is through. Names are those in the tree. */
  readonly pending: PendingLink[] = [];
  readonly #writer: TreeTarget;
  readonly #options: LayerOptions;
  /** What is no directory, by its path in the archive. */
  readonly #created = new Set<ByteString>();
  readonly #dropped = new Set<ByteString>();
  readonly #unmadeLinks = new Map<ByteString, ByteString>();
  #current: TarEntry | undefined;

  constructor(writer: TreeTarget, options: LayerOptions) {
    this.#writer = writer;
    this.#options = options;
  }

  entry(entry: TarEntry): boolean {
    this.#current = entry;
    return this.#naming(entry, () => this.#entry(entry));
  }

  data(chunk: Uint8Array, from: number, to: number, offset: number): void {
    const entry = this.#current;
    if (entry === undefined) return;
    try {
      this.#writer.data(entry, chunk, from, to, offset);
    } catch (error) {
      throw named(this.#options.name, entry, error);
    }
  }

  end(entry: TarEntry): void {
    this.#naming(entry, () => this.#writer.end(entry));
  }

  /**
   * Where the content of `target` can be had, as far as this layer knows.
   *
   * @returns its path in this archive, and whether it was created or dropped; undefined: not in here
   */
  find(target: ByteString): { path: ByteString; created: boolean } | undefined {
    let path = target;
    // A chain of links that were not made. A cycle cannot be longer than there are links.
    for (let i = 0; i <= this.#unmadeLinks.size; i++) {
      const next = this.#unmadeLinks.get(path);
      if (next === undefined) break;
      path = next;
    }
    if (this.#created.has(path)) return { path, created: true };
    return this.#dropped.has(path) ? { path, created: false } : undefined;
  }

  /** An archive's path in the tree; undefined: does not belong there. */
  pathInTree(path: ByteString): ByteString | undefined {
    if (path === MANIFEST) {
      return this.#options.isTop && !this.#options.rootfsOnly ? path : undefined;
    }
    if (!this.#options.rootfsOnly) return path;
    return path === ROOTFS ? "" : path.slice(ROOTFS.length + 1);
  }

  #entry(entry: TarEntry): boolean {
    const path = this.pathInTree(entry.path);
    if (path === undefined) return false;
    const accepted = this.#options.accepts(entry);
    if (entry.kind === "hardlink") {
      this.#hardlink(entry, path, accepted);
      return false;
    }
    const created = accepted && this.#writer.create(path, entry) === "created";
    if (entry.kind !== "directory") (created ? this.#created : this.#dropped).add(entry.path);
    return created && entry.kind === "file";
  }

  #hardlink(entry: TarEntry, path: ByteString, accepted: boolean): void {
    if (!accepted) {
      this.#unmadeLinks.set(entry.path, entry.link);
      return;
    }
    const found = this.find(entry.link);
    const target = found?.created ? this.pathInTree(found.path) : undefined;
    if (target !== undefined) {
      if (this.#writer.link(path, target) === "created") this.#created.add(entry.path);
      else this.#unmadeLinks.set(entry.path, entry.link);
      return;
    }
    this.#unmadeLinks.set(entry.path, entry.link);
    if (this.#writer.reserve(path) !== "created") return;
    const what = `${this.#options.name}: entry ${shown(entry.path)} at byte ${entry.offset}`;
    this.pending.push({ path, target: entry.link, what });
  }

  #naming<T>(entry: TarEntry, step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw named(this.#options.name, entry, error);
    }
  }
}

/** An error of the kernel as a failure that names archive and entry. */
export function named(archive: string, entry: TarEntry, error: unknown): unknown {
  if (!(error instanceof KernelError)) return error;
  const text = `${archive}: entry ${shown(entry.path)} at byte ${entry.offset}: ${error.message}`;
  return new Failure(text, undefined, { cause: error });
}
