/**
 * The files of a tar by their names, read where they lie. Entries come in any order, so the headers are read first, and what is
 * compressed or comes through a pipe is written to a temporary file.
 */
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { type ByteSource, CHUNK_SIZE, fileSource } from "../aci/bytes/source.ts";
import { decompressed, isCompressed, LONGEST_MAGIC } from "../aci/compression/compression.ts";
import type { TarEntry } from "../aci/tar/entry.ts";
import { TarParser } from "../aci/tar/tar.ts";
import { BLOCK_SIZE, isZeroBlock, padding } from "../aci/tar/tar_field.ts";
import { byteStringOfText, shown } from "../linux/byte_string.ts";
import { Failure } from "../failure.ts";
import type { LayoutFiles } from "./layout_source.ts";

/** Where what can't be read in place goes. */
export interface SpoolOptions {
  /** On a file system with room for the whole archive: the store's. */
  readonly temporaryDirectory: string;
  /** Most bytes of a temporary file. Default: 64 GiB. */
  readonly maxBytes?: number;
  /** Told of bytes that are about to be written to it; may throw to refuse them. */
  readonly spooled?: (bytes: number) => void;
  /**
   * Sees the bytes of the archive as it was distributed, all of them. It is spooled then: what was seen is what is read, even if
   * somebody changes the file meanwhile.
   */
  readonly watched?: (source: ByteSource) => ByteSource;
}

const MAX_SPOOL = 64 * 2 ** 30;

/** Most entries of an archive. An image has some three for each layer. */
const MAX_ENTRIES = 100_000;

/** Links in a row. */
const MAX_LINKS = 8;

type Member =
  | { readonly at: number; readonly size: number }
  | { readonly link: string };

/** Documents of which there must be one: tools differ in which of two they read. */
const SINGLE: readonly string[] = ["oci-layout", "index.json", "manifest.json", "repositories"];

/** The files of an archive. */
export class ArchiveFiles implements LayoutFiles {
  readonly #name: string;
  readonly #file: Deno.FsFile;
  readonly #members: ReadonlyMap<string, Member>;

  private constructor(name: string, file: Deno.FsFile, members: ReadonlyMap<string, Member>) {
    this.#name = name;
    this.#file = file;
    this.#members = members;
  }

  /**
   * Opens a tar, compressed or not.
   *
   * @param path a file, or `-` for standard input
   * @param name how messages name it
   * @throws {Failure} no such file, no tar, or one larger than may be spooled
   */
  static async open(path: string, name: string, options: SpoolOptions): Promise<ArchiveFiles> {
    const file = await seekableTar(path, name, options);
    try {
      return new ArchiveFiles(name, file, readHeaders(file, name));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Whether there is a file of a name. */
  has(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  /** Bytes of a file; `undefined` where there is none. */
  size(path: string): number | undefined {
    return this.#find(path)?.size;
  }

  /** Where the bytes of a file begin, the same for all links to it; `undefined` where there is none. */
  offset(path: string): number | undefined {
    return this.#find(path)?.at;
  }

  /** The first bytes of a file, fewer where it ends before. */
  head(path: string, length: number): Uint8Array {
    const member = this.#find(path);
    return member === undefined
      ? new Uint8Array()
      : readAt(this.#file, member.at, Math.min(length, member.size));
  }

  // deno-lint-ignore require-await
  async read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const member = this.#find(path);
    if (member === undefined) return undefined;
    if (member.size > limit) {
      throw new Failure(`${this.#name}: ${shown(path)} is larger than ${limit} bytes`);
    }
    return readAt(this.#file, member.at, member.size);
  }

  // deno-lint-ignore require-await
  async stream(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    const member = this.#find(path);
    if (member === undefined) return undefined;
    const file = this.#file;
    let { at } = member;
    const end = at + member.size;
    return new ReadableStream({
      pull(controller) {
        if (at === end) return controller.close();
        const bytes = readAt(file, at, Math.min(CHUNK_SIZE, end - at));
        at += bytes.length;
        controller.enqueue(bytes);
      },
    }, { highWaterMark: 0 });
  }

  /** Follows links, which old versions of docker made between equal layers; all inside the archive. */
  #find(path: string): { readonly at: number; readonly size: number } | undefined {
    let name: string | undefined = cleanPath(byteStringOfText(path));
    for (let links = 0; links <= MAX_LINKS && name !== undefined; links++) {
      const member = this.#members.get(name);
      if (member === undefined || "at" in member) return member;
      name = member.link;
    }
    throw new Failure(`${this.#name}: ${shown(path)} is a link to a link, and so on`);
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
  }
}

/** The headers of a tar, read one after the other; the data are jumped over. */
function readHeaders(file: Deno.FsFile, name: string): Map<string, Member> {
  const members = new Map<string, Member>();
  const { size } = file.statSync();
  for (let at = 0, count = 0;;) {
    const found = nextEntry(file, at, name);
    if (found === undefined) return members;
    if (++count > MAX_ENTRIES) throw new Failure(`${name}: more than ${MAX_ENTRIES} entries`);
    const { entry, data } = found;
    const path = cleanPath(entry.path);
    if (entry.kind === "file") {
      if (entry.sparse) throw new ArchiveError(`${name}: ${shown(path)} is a sparse file`);
      if (data + entry.size > size) {
        throw new ArchiveError(`${name}: ends too early, in ${shown(path)}`);
      }
      if (members.has(path) && SINGLE.includes(path)) {
        throw new ArchiveError(`${name}: ambiguous: ${shown(path)} is there twice`);
      }
      members.set(path, { at: data, size: entry.size });
    } else if (entry.kind === "symlink") {
      const target = linkTarget(path, entry.link);
      if (target !== undefined) members.set(path, { link: target });
    } else if (entry.kind === "hardlink") {
      members.set(path, { link: cleanPath(entry.link) });
    }
    at = data + (entry.kind === "file" ? entry.size + padding(entry.size) : 0);
    if (at > size) throw new ArchiveError(`${name}: ends too early, behind ${shown(path)}`);
  }
}

/** The entry whose headers begin at an offset, and where its data begin; `undefined` at the archive's end. */
function nextEntry(
  file: Deno.FsFile,
  start: number,
  name: string,
): { entry: TarEntry; data: number } | undefined {
  let entry: TarEntry | undefined;
  const parser = new TarParser(name, {
    entry: (each) => {
      entry = each;
      return false;
    },
    data: () => {},
    end: () => {},
  });
  for (let at = start; entry === undefined; at += BLOCK_SIZE) {
    const block = readAt(file, at, BLOCK_SIZE);
    if (block.length < BLOCK_SIZE) {
      // Some tools leave out the zeros at the end.
      if (at === start && block.length === 0 && start > 0) return undefined;
      throw new ArchiveError(`${name}: ends too early, at byte ${at}`);
    }
    if (at === start && isZeroBlock(block, 0)) return undefined;
    parser.push(block);
    if (entry !== undefined) return { entry, data: at + BLOCK_SIZE };
  }
  return undefined;
}

function cleanPath(path: string): string {
  return path.split("/").filter((part) => part !== "" && part !== ".").join("/");
}

/** What a symbolic link names in the archive; `undefined` where that is outside. */
function linkTarget(path: string, link: string): string | undefined {
  if (link.startsWith("/")) return undefined;
  const parts = path.split("/").slice(0, -1);
  for (const part of link.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Seeks and reads in one go: nothing else comes between, since both calls are synchronous. */
function readAt(file: Deno.FsFile, at: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seekSync(at, Deno.SeekMode.Start);
  let done = 0;
  while (done < length) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

/** A tar as a file that can be sought in: itself, or a temporary one. */
async function seekableTar(
  path: string,
  name: string,
  options: SpoolOptions,
): Promise<Deno.FsFile> {
  const { watched } = options;
  if (path !== "-" && isRegular(path, name) && watched === undefined) {
    const file = Deno.openSync(path);
    const head = readAt(file, 0, LONGEST_MAGIC);
    if (!isCompressed(head)) return file;
    file.close();
  }
  const source = { ...fileSource(path === "-" ? "/dev/stdin" : path), name };
  using plain = await decompressed(watched?.(source) ?? source);
  return await spooled(plain, options);
}

function isRegular(path: string, name: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new Failure(`${name}: no such file`, 254, { cause: error });
    }
    throw error;
  }
}

/** Writes a source to a file that has no name any more, so that nobody has to remove it. */
async function spooled(source: ByteSource, options: SpoolOptions): Promise<Deno.FsFile> {
  const limit = options.maxBytes ?? MAX_SPOOL;
  const path = Deno.makeTempFileSync({ dir: options.temporaryDirectory, prefix: "archive-" });
  const file = Deno.openSync(path, { read: true, write: true });
  try {
    Deno.removeSync(path);
    let size = 0;
    for (let chunk; (chunk = await source.read()) !== undefined;) {
      size += chunk.length;
      if (size > limit) throw new Failure(`${source.name}: larger than ${limit} bytes`);
      options.spooled?.(chunk.length);
      for (let at = 0; at < chunk.length;) at += file.writeSync(chunk.subarray(at));
    }
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}
