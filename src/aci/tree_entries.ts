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
}

/** An entry, or the next bytes of the file that was the last entry. They are valid until the next item. */
export type TreeItem = TarEntry | Uint8Array<ArrayBuffer>;

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
  readonly #mapId: (id: number) => number;
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
    mapId: (id: number) => number = (id) => id,
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
    yield this.#naming(path, () => this.#entry(path, "file", status, fd));
    let left = status.size;
    while (left > 0) {
      let n = this.#naming(path, () => this.#reader.read(fd, this.#buffer));
      if ((n === 0 || n > left) && this.#options.changing !== true) this.#changed(path);
      if (n === 0) n = this.#buffer.fill(0).length;
      n = Math.min(n, left);
      left -= n;
      yield this.#buffer.subarray(0, n);
    }
  }

  #entry(path: ByteString, kind: TarKind, status: FileStatus, fd?: number): TarEntry {
    const isNode = kind === "character device" || kind === "block device";
    return {
      kind,
      path,
      link: "",
      mode: status.mode & 0o7777,
      uid: this.#mapId(status.uid),
      gid: this.#mapId(status.gid),
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
