/** Looking at rendered trees: their size, and whether two of them are the same. */
import { Buffer } from "node:buffer";
import { type ByteString, byteStringOfText, shown } from "../linux/byte_string.ts";
import { DirectoryReader, type FileStatus } from "../linux/directory_reader.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../linux/constants.ts";

/** Bytes of all files in a tree; a file of several names counts once. */
export function treeSize(path: string): number {
  const reader = new DirectoryReader();
  const seen = new Set<bigint>();
  let size = 0;
  const visit = (directory: number): void => {
    for (const name of reader.names(directory)) {
      const status = reader.status(directory, name);
      if ((status.mode & S_IFMT) === S_IFDIR) within(reader, directory, name, visit);
      if ((status.mode & S_IFMT) !== S_IFREG || seen.has(status.inode)) continue;
      if (status.links > 1) seen.add(status.inode);
      size += status.size;
    }
  };
  const root = reader.openRoot(byteStringOfText(path));
  try {
    visit(root);
  } finally {
    reader.close(root);
  }
  return size;
}

function within<T>(
  reader: DirectoryReader,
  directory: number,
  name: ByteString,
  use: (fd: number) => T,
): T {
  const fd = reader.open(directory, name);
  try {
    return use(fd);
  } finally {
    reader.close(fd);
  }
}

/** One place in both trees. */
interface Pair {
  readonly a: number;
  readonly b: number;
  /** For messages. */
  readonly path: string;
}

/** Compares trees by everything but times. */
class Comparison {
  readonly #a = new DirectoryReader();
  readonly #b = new DirectoryReader();
  readonly #chunkA = new Uint8Array(1 << 18);
  readonly #chunkB = new Uint8Array(1 << 18);
  /** Which file of b has the content and the other names of a file of a. */
  readonly #linked = new Map<bigint, bigint>();

  run(a: string, b: string): string | undefined {
    const rootA = this.#a.openRoot(byteStringOfText(a));
    const rootB = this.#b.openRoot(byteStringOfText(b));
    try {
      const pair = { a: rootA, b: rootB, path: "" };
      return this.#status("/", this.#a.status(rootA, ""), this.#b.status(rootB, "")) ??
        this.#directory(pair);
    } finally {
      this.#a.close(rootA);
      this.#b.close(rootB);
    }
  }

  #directory(pair: Pair): string | undefined {
    const a = this.#a.names(pair.a);
    const b = new Set(this.#b.names(pair.b));
    const path = (name: ByteString) => `${pair.path}/${shown(name).slice(1, -1)}`;
    for (const name of a) if (!b.delete(name)) return `${path(name)} is one too many`;
    for (const name of b) return `${path(name)} is missing`;
    for (const name of a) {
      const difference = this.#entry(pair, name, path(name));
      if (difference !== undefined) return difference;
    }
    return undefined;
  }

  #entry(pair: Pair, name: ByteString, path: string): string | undefined {
    const a = this.#a.status(pair.a, name);
    const b = this.#b.status(pair.b, name);
    const difference = this.#status(path, a, b);
    if (difference !== undefined) return difference;
    const type = a.mode & S_IFMT;
    if (type === S_IFLNK) {
      const same = this.#a.link(pair.a, name) === this.#b.link(pair.b, name);
      return same ? undefined : `${path} leads elsewhere`;
    }
    if (type !== S_IFDIR && type !== S_IFREG) return undefined;
    const before = this.#linked.get(a.inode);
    if (before !== undefined) return before === b.inode ? undefined : `${path} is another file`;
    if (a.links > 1 && type === S_IFREG) this.#linked.set(a.inode, b.inode);
    return within(
      this.#a,
      pair.a,
      name,
      (fdA) => within(this.#b, pair.b, name, (fdB) => this.#opened({ a: fdA, b: fdB, path }, type)),
    );
  }

  #status(path: string, a: FileStatus, b: FileStatus): string | undefined {
    const type = a.mode & S_IFMT;
    if (type !== (b.mode & S_IFMT)) return `${path} is of another type`;
    if (a.mode !== b.mode) return `${path} has other permissions`;
    if (a.uid !== b.uid || a.gid !== b.gid) return `${path} has another owner`;
    if (a.major !== b.major || a.minor !== b.minor) return `${path} is another device`;
    if (type === S_IFREG && a.links !== b.links) return `${path} has other links`;
    if (type === S_IFREG && a.size !== b.size) return `${path} has another size`;
    return undefined;
  }

  #opened(pair: Pair, type: number): string | undefined {
    const a = this.#a.xattrs(pair.a, () => true);
    const b = this.#b.xattrs(pair.b, () => true);
    const sameAttributes = a.size === b.size &&
      [...a].every(([name, value]) => equal(value, b.get(name)));
    if (!sameAttributes) return `${pair.path} has other attributes`;
    if (type === S_IFDIR) return this.#directory(pair);
    while (true) {
      const lengthA = this.#a.read(pair.a, this.#chunkA);
      const lengthB = this.#b.read(pair.b, this.#chunkB);
      const chunkA = this.#chunkA.subarray(0, lengthA);
      if (!equal(chunkA, this.#chunkB.subarray(0, lengthB))) return `${pair.path} is changed`;
      if (lengthA === 0) return undefined;
    }
  }
}

/**
 * Compares the files of a tree that is an index with those that are known to be right: the index, and the archives.
 *
 * @returns what is different, like `its index is changed`; undefined where they are the same
 */
export function indexDifference(tree: string, right: string): string | undefined {
  const names = (path: string) => Array.from(Deno.readDirSync(path), ({ name }) => name).sort();
  const wanted = names(right);
  for (const name of wanted) {
    const what = name.endsWith(".erofs") ? "its index" : `its archive ${name}`;
    if (!names(tree).includes(name)) return `${what} is missing`;
    if (!sameFiles(`${tree}/${name}`, `${right}/${name}`)) return `${what} is changed`;
  }
  return undefined;
}

function sameFiles(a: string, b: string): boolean {
  const [statusA, statusB] = [Deno.statSync(a), Deno.statSync(b)];
  if (statusA.dev === statusB.dev && statusA.ino === statusB.ino) return true;
  if (statusA.size !== statusB.size) return false;
  using fileA = Deno.openSync(a);
  using fileB = Deno.openSync(b);
  const [chunkA, chunkB] = [new Uint8Array(1 << 18), new Uint8Array(1 << 18)];
  while (true) {
    const lengthA = fill(fileA, chunkA);
    const lengthB = fill(fileB, chunkB);
    if (!equal(chunkA.subarray(0, lengthA), chunkB.subarray(0, lengthB))) return false;
    if (lengthA === 0) return true;
  }
}

/** Reads until a chunk is full or the file ends; returns how much it was. */
function fill(file: Deno.FsFile, chunk: Uint8Array): number {
  let length = 0;
  while (length < chunk.length) {
    const n = file.readSync(chunk.subarray(length));
    if (n === null) break;
    length += n;
  }
  return length;
}

function equal(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}

/**
 * Compares a tree with one that is known to be right: names, types, permissions, owners, devices,
 * links, attributes and contents; not times.
 *
 * @returns the first difference, like `/bin/sh is changed`; undefined where they are the same
 */
export function treeDifference(tree: string, right: string): string | undefined {
  return new Comparison().run(tree, right);
}
