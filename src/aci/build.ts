/** Writes App Container Images from a root file system directory. */
import type { Gzip } from "node:zlib";
import { Failure } from "../failure.ts";
import { type ByteString, byteStringOfText, shown } from "../linux/byte_string.ts";
import { DirectoryReader, type FileStatus } from "../linux/directory_reader.ts";
import { KernelError } from "../linux/errno.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../linux/files.ts";
import { syncDirectory } from "../linux/sync.ts";
import { MANIFEST, MAX_MANIFEST, ROOTFS } from "./structure.ts";
import { MAX_NAME, type TarKind } from "./tar.ts";
import { padding } from "./tar_field.ts";
import { ARCHIVE_END, type HeaderFields, tarHeader } from "./tar_writer.ts";

/** What to build. */
export interface BuildOptions {
  /** The directory that becomes `rootfs`. */
  readonly rootfs: string;
  /** The manifest's text, exactly as it is to stand in the image. */
  readonly manifest: string;
  /** The file to write. */
  readonly out: string;
  /** Default: gzip. */
  readonly compression?: "gzip" | "none";
  /** Replace an existing file. Default: false. */
  readonly overwrite?: boolean;
}

/** Within 2 % of the size of level 6 (the default), in three quarters of its time. */
const GZIP_LEVEL = 4;
const READ_SIZE = 1 << 18;

const KINDS: Readonly<Record<number, TarKind>> = {
  [S_IFREG]: "file",
  [S_IFDIR]: "directory",
  [S_IFLNK]: "symlink",
  [S_IFCHR]: "character device",
  [S_IFBLK]: "block device",
  [S_IFIFO]: "fifo",
};

/**
 * Builds an image; the same input gives the same image ID. Input are names, contents, types, modes,
 * owners, modification times in whole seconds, hardlinks and extended attributes (`user.*`,
 * `security.capability`). Sockets are left out. Written to a temporary file beside `out`, synced, renamed.
 *
 * @returns the image ID, `sha512-` and 128 hex digits
 * @throws {Failure}
 */
export async function buildAci(options: BuildOptions): Promise<string> {
  const { out, rootfs } = options;
  const slash = out.lastIndexOf("/");
  const directory = slash < 0 ? "." : out.slice(0, slash + 1);
  checkPlaces(out, directory, rootfs, options.overwrite ?? false);
  const temporary = `${directory}/.${out.slice(slash + 1).slice(0, 200)}.${crypto.randomUUID()}`;
  const file = openNew(temporary, out);
  try {
    const imageId = await writeAci(options, file);
    file.syncSync();
    Deno.renameSync(temporary, out);
    syncDirectory(directory);
    return imageId;
  } catch (error) {
    Deno.removeSync(temporary);
    throw error;
  } finally {
    file.close();
  }
}

function checkPlaces(out: string, directory: string, rootfs: string, overwrite: boolean): void {
  if (!overwrite && exists(out)) throw new Failure(`${out}: exists; --overwrite replaces it`);
  const root = realDirectory(rootfs);
  const place = realDirectory(directory) + "/";
  if (place.startsWith(root === "/" ? "/" : root + "/")) {
    throw new Failure(`${out}: would lie inside ${rootfs} and become a part of itself`);
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new Failure(`${path}: ${error instanceof Error ? error.message : error}`);
  }
}

function realDirectory(path: string): string {
  try {
    const real = Deno.realPathSync(path);
    if (Deno.statSync(real).isDirectory) return real;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Failure(`${path}: no such directory`);
    throw new Failure(`${path}: ${error instanceof Error ? error.message : error}`);
  }
  throw new Failure(`${path}: is not a directory`);
}

function openNew(temporary: string, out: string): Deno.FsFile {
  try {
    return Deno.openSync(temporary, { write: true, createNew: true, mode: 0o666 });
  } catch (error) {
    throw new Failure(`${out}: ${error instanceof Error ? error.message : error}`);
  }
}

async function writeAci(options: BuildOptions, file: Deno.FsFile): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha512");
  const output = await openOutput(file, options.compression ?? "gzip");
  for (const chunk of joined(aciChunks(options))) {
    hash.update(chunk);
    await output.write(chunk);
  }
  await output.end();
  return `sha512-${hash.digest("hex")}`;
}

interface Output {
  /** Takes a chunk, whose buffer may be used again afterwards. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  end(): Promise<void> | undefined;
}

async function openOutput(file: Deno.FsFile, compression: "gzip" | "none"): Promise<Output> {
  if (compression === "none") {
    return { write: (chunk) => writeAll(file, chunk), end: () => undefined };
  }
  const { createGzip } = await import("node:zlib");
  const gzip: Gzip = createGzip({ level: GZIP_LEVEL, chunkSize: READ_SIZE });
  let failed: unknown;
  gzip.on("data", (chunk: Uint8Array) => {
    try {
      writeAll(file, chunk);
    } catch (error) {
      gzip.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  gzip.on("error", (error) => failed ??= error);
  const settled = (begin: (done: () => void) => void) =>
    new Promise<void>((resolve, reject) => {
      gzip.once("error", reject);
      begin(() => {
        gzip.off("error", reject);
        failed === undefined ? resolve() : reject(failed);
      });
    });
  return {
    write: (chunk) => settled((done) => gzip.write(chunk, done)),
    end: () =>
      settled((done) => {
        gzip.once("end", done);
        gzip.end();
      }),
  };
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): undefined {
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  } catch (error) {
    throw new Failure(`write: ${error instanceof Error ? error.message : error}`);
  }
}

/** The same bytes in chunks of a size that hashing and compressing like; a header alone is too little. */
function* joined(chunks: Iterable<Uint8Array>): Generator<Uint8Array> {
  const buffer = new Uint8Array(READ_SIZE);
  let fill = 0;
  for (const chunk of chunks) {
    if (fill > 0 && fill + chunk.length > buffer.length) {
      yield buffer.subarray(0, fill);
      fill = 0;
    }
    if (chunk.length >= buffer.length) yield chunk;
    else {
      buffer.set(chunk, fill);
      fill += chunk.length;
    }
  }
  if (fill > 0) yield buffer.subarray(0, fill);
}

/** The uncompressed archive; a chunk is valid until the next one. */
function* aciChunks(options: BuildOptions): Generator<Uint8Array> {
  const manifest = new TextEncoder().encode(options.manifest);
  if (manifest.length > MAX_MANIFEST) throw new Failure("the manifest is too large");
  yield tarHeader({
    kind: "file",
    path: MANIFEST,
    link: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: manifest.length,
    mtime: 0,
    major: 0,
    minor: 0,
    xattrs: new Map(),
  });
  yield manifest;
  yield new Uint8Array(padding(manifest.length));
  yield* new TreeChunks(options.rootfs).chunks();
  yield ARCHIVE_END;
}

/** Reads a tree as the entries of an archive. */
class TreeChunks {
  readonly #root: string;
  readonly #reader = new DirectoryReader();
  readonly #buffer = new Uint8Array(READ_SIZE);
  /** Files with several names, by file system and inode: the first name. */
  readonly #firstNames = new Map<string, ByteString>();

  constructor(root: string) {
    this.#root = root;
  }

  *chunks(): Generator<Uint8Array> {
    const fd = this.#naming(ROOTFS, () => this.#reader.openRoot(byteStringOfText(this.#root)));
    try {
      yield* this.#directory(fd, ROOTFS);
    } finally {
      this.#reader.close(fd);
    }
  }

  *#directory(fd: number, path: ByteString): Generator<Uint8Array> {
    const status = this.#naming(path, () => this.#reader.status(fd, ""));
    yield this.#naming(path, () => tarHeader(this.#fields(path, "directory", status, fd)));
    for (const name of this.#naming(path, () => this.#reader.names(fd))) {
      yield* this.#member(fd, name, `${path}/${name}`);
    }
  }

  *#member(directory: number, name: ByteString, path: ByteString): Generator<Uint8Array> {
    const reader = this.#reader;
    const status = this.#naming(path, () => reader.status(directory, name));
    const type = status.mode & S_IFMT;
    if (type === S_IFSOCK) return;
    const kind = KINDS[type];
    if (kind === undefined) throw new Failure(`${this.#shown(path)}: a file of an unknown type`);
    if (path.length > MAX_NAME) throw new Failure(`${this.#shown(path)}: its name is too long`);
    if (kind !== "directory" && status.links > 1) {
      const key = `${status.device}:${status.inode}`;
      const first = this.#firstNames.get(key);
      if (first !== undefined) {
        yield tarHeader({ ...this.#fields(path, "hardlink", status), link: first, size: 0 });
        return;
      }
      this.#firstNames.set(key, path);
    }
    if (kind === "symlink") {
      const link = this.#naming(path, () => reader.link(directory, name));
      yield tarHeader({ ...this.#fields(path, kind, status), link });
    } else if (kind === "file" || kind === "directory") {
      const fd = this.#naming(path, () => reader.open(directory, name));
      try {
        if (kind === "directory") yield* this.#directory(fd, path);
        else yield* this.#file(fd, path);
      } finally {
        reader.close(fd);
      }
    } else yield tarHeader(this.#fields(path, kind, status));
  }

  *#file(fd: number, path: ByteString): Generator<Uint8Array> {
    // Of what was opened, not of what had the name before.
    const status = this.#naming(path, () => this.#reader.status(fd, ""));
    if ((status.mode & S_IFMT) !== S_IFREG) this.#changed(path);
    yield this.#naming(path, () => tarHeader(this.#fields(path, "file", status, fd)));
    let left = status.size;
    while (left > 0) {
      const n = this.#naming(path, () => this.#reader.read(fd, this.#buffer));
      if (n === 0 || n > left) this.#changed(path);
      left -= n;
      yield this.#buffer.subarray(0, n);
    }
    const rest = padding(status.size);
    if (rest > 0) yield new Uint8Array(rest);
  }

  #fields(path: ByteString, kind: TarKind, status: FileStatus, fd?: number): HeaderFields {
    const isNode = kind === "character device" || kind === "block device";
    return {
      kind,
      path,
      link: "",
      mode: status.mode & 0o7777,
      uid: status.uid,
      gid: status.gid,
      size: kind === "file" ? status.size : 0,
      mtime: status.mtime,
      major: isNode ? status.major : 0,
      minor: isNode ? status.minor : 0,
      xattrs: fd === undefined ? new Map() : this.#reader.xattrs(fd, isKept),
    };
  }

  #changed(path: ByteString): never {
    throw new Failure(`${this.#shown(path)}: changed while it was read; try again`);
  }

  #shown(path: ByteString): string {
    return `${this.#root}: ${shown(path.slice(ROOTFS.length + 1))}`;
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
