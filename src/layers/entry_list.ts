/**
 * Entries of a layer in a few large arrays: an image of 100,000 files has as many entries, and as objects they would take five
 * times the memory.
 */
import { Bytes, Numbers, Words } from "../aci/bytes/columns.ts";
import type { TarEntry, TarKind } from "../aci/tar/entry.ts";
import type { SparseMap } from "../aci/tar/sparse.ts";
import type { ByteString } from "../linux/byte_string.ts";

const KINDS: readonly TarKind[] = [
  "file",
  "directory",
  "symlink",
  "hardlink",
  "character device",
  "block device",
  "fifo",
];

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/** Entries in the order in which they were added. */
export class EntryList implements Iterable<TarEntry> {
  #count = 0;
  readonly #names = new Bytes();
  /** Where an entry's path and link begin. */
  readonly #nameAt = new Words();
  readonly #pathLength = new Words();
  readonly #linkLength = new Words();
  readonly #kind = new Words();
  readonly #mode = new Words();
  readonly #uid = new Words();
  readonly #gid = new Words();
  readonly #mtimeNs = new Words();
  readonly #size = new Numbers();
  readonly #mtime = new Numbers();
  readonly #offset = new Numbers();
  readonly #dataOffset = new Numbers();
  // What few entries have.
  readonly #devices = new Map<number, readonly [major: number, minor: number]>();
  readonly #xattrs = new Map<number, ReadonlyMap<ByteString, Uint8Array>>();
  readonly #pieces = new Map<number, Readonly<SparseMap>>();
  readonly #sparse = new Set<number>();

  get length(): number {
    return this.#count;
  }

  add(entry: TarEntry): void {
    const i = this.#count++;
    const { path, link } = entry;
    this.#nameAt.set(i, this.#names.addText(path, 0, path.length));
    this.#names.addText(link, 0, link.length);
    this.#pathLength.set(i, path.length);
    this.#linkLength.set(i, link.length);
    this.#kind.set(i, KINDS.indexOf(entry.kind));
    this.#mode.set(i, entry.mode);
    this.#uid.set(i, entry.uid);
    this.#gid.set(i, entry.gid);
    this.#mtimeNs.set(i, entry.mtimeNs);
    this.#size.set(i, entry.size);
    this.#mtime.set(i, entry.mtime);
    this.#offset.set(i, entry.offset);
    this.#dataOffset.set(i, entry.dataOffset);
    if (entry.major !== 0 || entry.minor !== 0) this.#devices.set(i, [entry.major, entry.minor]);
    if (entry.xattrs.size > 0) this.#xattrs.set(i, entry.xattrs);
    if (entry.pieces !== undefined) this.#pieces.set(i, entry.pieces);
    if (entry.sparse) this.#sparse.add(i);
  }

  /** An entry by its number; made anew each time. */
  at(i: number): TarEntry {
    if (i >= this.#count) throw new RangeError(`no entry ${i} of ${this.#count}`);
    const pathAt = this.#nameAt.get(i);
    const linkAt = pathAt + this.#pathLength.get(i);
    const [major, minor] = this.#devices.get(i) ?? [0, 0];
    const pieces = this.#pieces.get(i);
    return {
      kind: KINDS[this.#kind.get(i)] ?? "file",
      path: this.#names.text(pathAt, linkAt),
      link: this.#names.text(linkAt, linkAt + this.#linkLength.get(i)),
      mode: this.#mode.get(i),
      uid: this.#uid.get(i),
      gid: this.#gid.get(i),
      size: this.#size.get(i),
      mtime: this.#mtime.get(i),
      mtimeNs: this.#mtimeNs.get(i),
      major,
      minor,
      xattrs: this.#xattrs.get(i) ?? NO_XATTRS,
      sparse: this.#sparse.has(i),
      ...pieces !== undefined && { pieces },
      offset: this.#offset.get(i),
      dataOffset: this.#dataOffset.get(i),
    };
  }

  *[Symbol.iterator](): Generator<TarEntry> {
    for (let i = 0; i < this.#count; i++) yield this.at(i);
  }
}
