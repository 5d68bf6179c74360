/** The files of an image to be, in a directory of their own: from archives, packages, files and directories. */
import { decompressed } from "../aci/compression/compression.ts";
import type { ByteSource } from "../aci/bytes/source.ts";
import type { TarEntry, TarSink } from "../aci/tar/entry.ts";
import { TarParser } from "../aci/tar/tar.ts";
import { TreeEntries } from "../aci/tree_entries.ts";
import { TreeWriter } from "../aci/tree_writer.ts";
import { Failure } from "../failure.ts";
import { bytesOf, type ByteString, byteStringOfText, shown } from "../linux/byte_string.ts";
import { deleteTree } from "../linux/delete_tree.ts";
import { KernelError } from "../linux/errno.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../linux/constants.ts";
import { reasonOf } from "../linux/reason.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";

/** A directory for files, which is removed with all that is in it when it is disposed of. */
export class Stage implements Disposable {
  /** The root of the files. */
  readonly path: string;
  readonly #directory: string;
  /** The times of directories, in seconds since 1970: 0 for those that are made on the way to others. */
  readonly #times = new Map<ByteString, number>([["", 0]]);

  /** @param beside where it is made: on the disk that the image goes to */
  constructor(beside: string) {
    this.#directory = Deno.makeTempDirSync({ dir: beside, prefix: ".rkt-build-" });
    this.path = `${this.#directory}/rootfs`;
    trySyscall("umask", 0);
    Deno.mkdirSync(this.path, { mode: 0o755 });
  }

  /** Extracts an archive, which may be compressed. Disposes the source. */
  async extract(source: ByteSource): Promise<void> {
    using writer = this.#writer();
    using plain = await decompressed(source);
    const sink = new StageSink(
      source.name,
      writer,
      this.#times,
      (path) => this.#merged(path),
      (root) => this.#likeRoot(root),
    );
    const parser = new TarParser(source.name, sink);
    for (let chunk = await plain.read(); chunk !== undefined; chunk = await plain.read()) {
      parser.push(chunk);
    }
    parser.finish();
    writer.finish();
  }

  /**
   * Copies a file or a directory with all that is in it.
   *
   * @param from a path of the host; a link at its end is followed
   * @param to an absolute path in the image
   */
  copy(from: string, to: string): void {
    const real = realPath(from);
    const path = this.#merged(byteStringOfText(pathBelow(to)));
    using writer = this.#writer();
    const sink = new StageSink(
      from,
      writer,
      this.#times,
      (each) => each,
      (root) => this.#likeRoot(root),
    );
    const slash = real.lastIndexOf("/");
    using above = new OpenDirectory(slash === 0 ? "/" : real.slice(0, slash));
    const name = real === "/" ? "." : byteStringOfText(real.slice(slash + 1));
    const entries = new TreeEntries(from, path).below(above.fd, name);
    let wanted: TarEntry | undefined;
    let offset = 0;
    for (const item of entries) {
      if (item instanceof Uint8Array) {
        if (wanted !== undefined) sink.data(item, 0, item.length, offset);
        offset += item.length;
        continue;
      }
      if (wanted !== undefined) sink.end(wanted);
      wanted = sink.entry(item) ? item : undefined;
      offset = 0;
    }
    if (wanted !== undefined) sink.end(wanted);
    writer.finish();
  }

  /** Writes a file, where there is none. */
  write(to: string, text: string): void {
    const path = `${this.path}/${pathBelow(to)}`;
    this.#makeParents(byteStringOfText(pathBelow(to)));
    try {
      Deno.writeTextFileSync(path, text, { createNew: true, mode: 0o644 });
      Deno.utimeSync(path, 0, 0);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }

  /** Gives directories their times, which what came into them has changed: the same sources make the same image. */
  finish(): void {
    for (const [path, time] of this.#times) {
      const place = `${this.path}/${textOf(path)}`;
      if (Deno.lstatSync(place).isDirectory) Deno.utimeSync(place, time, time);
    }
  }

  #makeParents(path: ByteString): void {
    const parts = path.split("/").slice(0, -1);
    for (let i = 1; i <= parts.length; i++) {
      const parent = parts.slice(0, i).join("/");
      try {
        Deno.mkdirSync(`${this.path}/${parent}`, { mode: 0o755 });
        this.#times.set(parent, 0);
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
    }
  }

  /** A path behind the links of a merged /usr: packages that were made before it still say /lib. */
  #merged(path: ByteString): ByteString {
    const [first = "", ...rest] = path.split("/");
    if (rest.length === 0 || !/^(bin|sbin|lib\w*)$/.test(first)) return path;
    try {
      const link = Deno.readLinkSync(`${this.path}/${first}`).replace(/^\//, "");
      return link === `usr/${first}` ? `usr/${path}` : path;
    } catch {
      return path;
    }
  }

  #likeRoot({ mode, uid, gid }: TarEntry): void {
    if (Deno.uid() === 0) Deno.chownSync(this.path, uid, gid);
    Deno.chmodSync(this.path, mode);
  }

  #writer(): TreeWriter {
    return new TreeWriter(this.path, { merge: true, privileged: Deno.uid() === 0 });
  }

  [Symbol.dispose](): void {
    deleteTree(this.#directory);
  }
}

/** Puts entries below the root. */
class StageSink implements TarSink {
  constructor(
    readonly name: string,
    readonly writer: TreeWriter,
    readonly times: Map<ByteString, number>,
    readonly placed: (path: ByteString) => ByteString,
    /** Takes what is said of the root itself. */
    readonly rootEntry: (entry: TarEntry) => void,
  ) {}

  entry(entry: TarEntry): boolean {
    return this.#naming(entry, () => {
      const path = this.#clean(entry.path);
      if (path === "" && entry.kind === "directory") {
        this.times.set("", entry.mtime);
        this.rootEntry(entry);
        return false;
      }
      // The directory /lib of a package, where /lib leads to /usr/lib.
      const below = `${path}/below`;
      if (entry.kind === "directory" && this.placed(below) !== below) return false;
      this.#noteParents(path);
      if (entry.kind === "directory") this.times.set(path, entry.mtime);
      const made = entry.kind === "hardlink"
        ? this.writer.link(path, this.#clean(entry.link))
        : this.writer.create(path, entry);
      if (made === "blocked") {
        throw new Failure(`${this.name}: ${shown(path)}: a parent of it is no directory`);
      }
      return made === "created" && entry.kind === "file";
    });
  }

  data(chunk: Uint8Array, from: number, to: number, offset: number): void {
    if (this.#entry !== undefined) this.writer.data(this.#entry, chunk, from, to, offset);
  }

  end(entry: TarEntry): void {
    this.#naming(entry, () => this.writer.end(this.#entry ?? entry));
  }

  #entry: TarEntry | undefined;

  #clean(path: ByteString): ByteString {
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) {
      throw new Failure(`${this.name}: ${shown(path)}: an entry may not have ".." in it`);
    }
    return this.placed(parts.join("/"));
  }

  /** Parents that no archive has listed are made by the writer. */
  #noteParents(path: ByteString): void {
    const parts = path.split("/").slice(0, -1);
    for (let i = parts.length; i > 0; i--) {
      const parent = parts.slice(0, i).join("/");
      if (this.times.has(parent)) return;
      this.times.set(parent, 0);
    }
  }

  #naming<T>(entry: TarEntry, step: () => T): T {
    this.#entry = entry;
    try {
      return step();
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      throw new Failure(`${this.name}: ${shown(entry.path)}: ${error.message}`, 254, {
        cause: error,
      });
    }
  }
}

/** A name as Deno takes it. */
const textOf = (path: ByteString): string => new TextDecoder().decode(bytesOf(path));

/** An open directory. */
class OpenDirectory implements Disposable {
  readonly fd: number;

  constructor(path: string) {
    const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    this.fd = syscall(`open ${path}`, "openat", AT_FDCWD, cstring(path), flags, 0);
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.fd);
  }
}

function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    throw new Failure(`${path}: ${missing ? "no such file" : reasonOf(error)}`, 254, {
      cause: error,
    });
  }
}

/** An absolute path of an image, as one below its root. */
function pathBelow(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (!path.startsWith("/") || parts.includes("..")) {
    throw new Failure(`${path}: not an absolute path in the image`);
  }
  return parts.join("/");
}
