/** What images are merged into: a tree of files on a disk, or the index of one. */
import type { ByteString } from "../linux/byte_string.ts";
import type { TarEntry } from "./tar/entry.ts";
import type { Creation } from "./write_options.ts";

/**
 * A tree that is made entry by entry; what exists in it is never replaced. Paths are those in the tree: `` is its root.
 *
 * All methods may throw a {@linkcode KernelError}: what no file system takes.
 */
export interface TreeTarget {
  /** The entries that come now, up to the next call, are of the archive with this ID. */
  archive?(id: string): void;
  /** Creates what an entry is, but for hardlinks. A file then gets {@linkcode data} until {@linkcode end}. */
  create(path: ByteString, entry: TarEntry): Creation;
  /** Data of the file that was created last: `chunk[from, to)`, at `offset` in the file. */
  data(entry: TarEntry, chunk: Uint8Array, from: number, to: number, offset: number): void;
  /** The file that was created last is complete. */
  end(entry: TarEntry): void;
  /** Makes another name of what `target` is. */
  link(path: ByteString, target: ByteString): Creation;
  /** Keeps a name for a link whose target is still to come. */
  reserve(path: ByteString): Creation;
  /** Gives a reserved name free. */
  release(path: ByteString): void;
}
