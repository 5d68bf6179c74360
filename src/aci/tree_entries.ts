/** Reads a tree of files as the entries of an archive, for images and for copies. */
import { Failure } from "../failure.ts";
import { type ByteString, byteStringOfText, shown } from "../linux/byte_string.ts";
import { DirectoryReader, type FileStatus } from "../linux/directory_reader.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { MAX_NAME } from "./tar/tar.ts";
import type { TarEntry, TarKind } from "./tar/entry.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../linux/constants.ts";

const READ_SIZE = 1 << 18;

const KINDS: Readonly<Record<number, TarKind>> = {
  [S_IFREG]: "file",
  [S_IFDIR]: "directory",
  [S_IFLNK]: "symlink",
  [S_IFCHR]: "character device",
  [S_IFBLK]: "block device",
  [S_IFIFO]: "fifo",
};

/** How a tree is read. */
export interface TreeOptions {
  /** What to leave out, by its path in the archive. */
  readonly omit?: (path: ByteString) => boolean;
  /**
   * Whether the tree may change meanwhile: then a file has the size that it had first, and what is gone is left out.
   * Default: that is a failure.
   */
  readonly changing?: boolean;
  /** A file whose holes have at least so many bytes together is a sparse entry. Default: none is. */
  readonly holes?: number;
}

/** Holes that are worth to be kept in an archive: not every tar can read what it is then. */
export const ARCHIVED_HOLES = 16 << 20;

/** Smaller holes are read as the zeros that they are. */
const LEAST_HOLE = 1 << 16;

/** So many pieces of a file at most; with more of them, only larger holes count. */
const MOST_PIECES = 1 << 16;

/**
 * An entry, or the next bytes of the file that was the last entry, or of its pieces. They are valid until the next item; no
 * item has bytes of two pieces.
 */
export type TreeItem = TarEntry | Uint8Array<ArrayBuffer>;

/** Says who an owner is for whoever reads the entries. */
export type MapId = (id: number, kind: "uid" | "gid") => number;

/**
 * Reads a tree as the entries of an archive: a directory comes before what is in it, names in the order of their bytes.
 * Sockets are left out.
 *
 * Everything is opened by its name in the directory that was opened before it, and no link is followed: whoever changes
 * the tree meanwhile can't lead this out of it.
 */
export class TreeEntries {
  readonly #place: string;
  readonly #path: ByteString;
  readonly #mapId: MapId;
  readonly #options: TreeOptions;
  readonly #reader = new DirectoryReader();
  readonly #buffer = new Uint8Array(READ_SIZE);
  /** Files with several names, by file system and inode: the first name. */
  readonly #firstNames = new Map<string, ByteString>();

  /**
   * @param place the tree's root, for messages and for {@linkcode root}
   * @param path what the root is called in the archive
   */
  constructor(
    place: string,
    path: ByteString,
    mapId: MapId = (id) => id,
    options: TreeOptions = {},
  ) {
    this.#place = place;
    this.#path = path;
    this.#mapId = mapId;
    this.#options = options;
  }

  /** The tree below the directory that is named for messages. */
  *root(): Generator<TreeItem> {
    const path = this.#path;
    const fd = this.#naming(path, () => this.#reader.openRoot(byteStringOfText(this.#place)));
    try {
      yield* this.#directory(fd, path);
    } finally {
      this.#reader.close(fd);
    }
  }

  /** What has a name in a directory that is open; `.` is the directory itself. */
  below(directory: number, name: ByteString): Generator<TreeItem> {
    return this.#member(directory, name, this.#path);
  }

  *#directory(fd: number, path: ByteString): Generator<TreeItem> {
    const status = this.#naming(path, () => this.#reader.status(fd, ""));
    yield this.#naming(path, () => this.#entry(path, "directory", status, fd));
    for (const name of this.#naming(path, () => this.#reader.names(fd))) {
      const below = path === "" ? name : `${path}/${name}`;
      if (this.#options.omit?.(below) !== true) yield* this.#member(fd, name, below);
    }
  }

  *#member(directory: number, name: ByteString, path: ByteString): Generator<TreeItem> {
    const reader = this.#reader;
    const status = this.#naming(path, () => this.#status(directory, name));
    if (status === undefined) return;
    const type = status.mode & S_IFMT;
    if (type === S_IFSOCK) return;
    const kind = KINDS[type];
    if (kind === undefined) throw new Failure(`${this.#shown(path)}: a file of an unknown type`);
    if (path.length > MAX_NAME) throw new Failure(`${this.#shown(path)}: its name is too long`);
    if (kind !== "directory" && status.links > 1) {
      const key = `${status.device}:${status.inode}`;
      const first = this.#firstNames.get(key);
      if (first !== undefined) {
        yield { ...this.#entry(path, "hardlink", status), link: first, size: 0 };
        return;
      }
      this.#firstNames.set(key, path);
    }
    if (kind === "symlink") {
      const link = this.#naming(path, () => reader.link(directory, name));
      yield { ...this.#entry(path, kind, status), link };
    } else if (kind === "file" || kind === "directory") {
      const fd = this.#naming(path, () => reader.open(directory, name));
      try {
        if (kind === "directory") yield* this.#directory(fd, path);
        else yield* this.#file(fd, path);
      } finally {
        reader.close(fd);
      }
    } else yield this.#entry(path, kind, status);
  }

  /** Undefined where what the directory had is gone, and may be. */
  #status(directory: number, name: ByteString): FileStatus | undefined {
    try {
      return this.#reader.status(directory, name);
    } catch (error) {
      const gone = error instanceof KernelError && error.errno === ERRNO.ENOENT;
      if (gone && this.#options.changing === true) return undefined;
      throw error;
    }
  }

  *#file(fd: number, path: ByteString): Generator<TreeItem> {
    // Of what was opened, not of what had the name before.
    const status = this.#naming(path, () => this.#reader.status(fd, ""));
    if ((status.mode & S_IFMT) !== S_IFREG) this.#changed(path);
    const entry = this.#naming(path, () => this.#entry(path, "file", status, fd));
    const pieces = this.#pieces(fd, status.size);
    yield pieces === undefined ? entry : { ...entry, sparse: true, pieces };
    if (pieces === undefined) yield* this.#whole(fd, path, status.size);
    for (let i = 0; i < (pieces?.length ?? 0); i += 2) {
      const [offset = 0, length = 0] = pieces?.slice(i, i + 2) ?? [];
      this.#naming(path, () => this.#reader.seek(fd, offset));
      yield* this.#data(fd, path, length);
    }
  }

  *#whole(fd: number, path: ByteString, size: number): Generator<Uint8Array<ArrayBuffer>> {
    yield* this.#data(fd, path, size);
    if (this.#options.changing === true) return;
    const more = this.#naming(path, () => this.#reader.read(fd, this.#buffer.subarray(0, 1)));
    if (more > 0) this.#changed(path);
  }

  /** Where the data of a file with holes are. */
  #pieces(fd: number, size: number): readonly number[] | undefined {
    const { holes = Infinity } = this.#options;
    if (size < holes) return undefined;
    for (let least = LEAST_HOLE;; least *= 16) {
      const pieces = this.#reader.pieces(fd, size, least);
      if (pieces === undefined) return undefined;
      if (pieces.length > 2 * MOST_PIECES) continue;
      const data = pieces.reduce((sum, value, i) => i % 2 === 1 ? sum + value : sum, 0);
      return size - data < holes ? undefined : pieces;
    }
  }

  /** The next bytes of a file, as many as it is said to have there. */
  *#data(fd: number, path: ByteString, length: number): Generator<Uint8Array<ArrayBuffer>> {
    const changing = this.#options.changing === true;
    for (let left = length; left > 0;) {
      const buffer = left < this.#buffer.length ? this.#buffer.subarray(0, left) : this.#buffer;
      let n = this.#naming(path, () => this.#reader.read(fd, buffer));
      if (n === 0 && !changing) this.#changed(path);
      if (n === 0) n = buffer.fill(0).length;
      left -= n;
      yield buffer.subarray(0, n);
    }
  }

  #entry(path: ByteString, kind: TarKind, status: FileStatus, fd?: number): TarEntry {
    const isNode = kind === "character device" || kind === "block device";
    return {
      kind,
      path,
      link: "",
      mode: status.mode & 0o7777,
      uid: this.#mapId(status.uid, "uid"),
      gid: this.#mapId(status.gid, "gid"),
      size: kind === "file" ? status.size : 0,
      mtime: status.mtime,
      mtimeNs: status.mtimeNs,
      major: isNode ? status.major : 0,
      minor: isNode ? status.minor : 0,
      xattrs: fd === undefined ? new Map() : this.#reader.xattrs(fd, isKept),
      sparse: false,
      offset: 0,
      dataOffset: 0,
    };
  }

  #changed(path: ByteString): never {
    throw new Failure(`${this.#shown(path)}: changed while it was read; try again`);
  }

  #shown(path: ByteString): string {
    const from = this.#path === "" ? 0 : this.#path.length + 1;
    return `${this.#place}: ${shown(path.slice(from))}`;
  }

  #naming<T>(path: ByteString, step: () => T): T {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      throw new Failure(`${this.#shown(path)}: ${error.message}`, undefined, { cause: error });
    }
  }
}

const isKept = (name: ByteString): boolean =>
  name === "security.capability" || name.startsWith("user.");
