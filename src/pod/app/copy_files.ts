/**
 * Copies between the host and an app. Both ends are opened first; then every file is found by its name in a directory
 * that is open, and no link is followed. So an app that puts links in the place of directories meanwhile can't make the
 * copy read or write anything outside its root.
 */
import { decompressed } from "../../aci/compression/compression.ts";
import { type ByteSource } from "../../aci/bytes/source.ts";
import { TarParser } from "../../aci/tar/tar.ts";
import type { TarEntry, TarSink } from "../../aci/tar/entry.ts";
import { archived } from "../../aci/tar/archived.ts";
import { ARCHIVED_HOLES, type MapId, TreeEntries, type TreeItem } from "../../aci/tree_entries.ts";
import { TreeWriter } from "../../aci/tree_writer.ts";
import { Failure } from "../../failure.ts";
import { ownership } from "../../store/ownership.ts";
import { type ByteString, byteStringOfText, shown } from "../../linux/byte_string.ts";
import { DirectoryReader } from "../../linux/directory_reader.ts";
import { ERRNO, errnoText, KernelError } from "../../linux/errno.ts";
import { openHow } from "../../linux/files.ts";
import { cstring, trySyscall } from "../../linux/syscall.ts";
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  OPEN_HOW_SIZE,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  S_IFDIR,
  S_IFMT,
} from "../../linux/constants.ts";

/** A path on one side. */
export interface CopyEnd {
  /** The root that the path is below, links included; absent: the host's. */
  readonly root?: number;
  readonly path: string;
  /** For messages, like `app "web": /etc`. */
  readonly name: string;
}

/** What is to be copied, found. */
export interface Source {
  readonly name: string;
  /** An open directory, and the name in it; `.` is the directory itself. */
  readonly directory: number;
  readonly entry: ByteString;
  readonly isDirectory: boolean;
  /** What the copy is called in a directory that exists; empty where only the contents are copied. */
  readonly base: ByteString;
  /** Whether it is the whole root, with the kernel's file systems in it. */
  readonly isRoot: boolean;
}

const namesIn = (path: string): string[] => path.split("/").filter((n) => n !== "" && n !== ".");

/** Whether a path can only mean a directory itself, and not an entry of one. */
const isItself = (path: string): boolean => /(^|\/)\.{0,2}$/.test(path);

/** A descriptor of a directory, links followed below the root; or the negative error number. */
function openDirectory({ root }: CopyEnd, path: string): number {
  const resolve = root === undefined ? 0 : RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const how = openHow(O_PATH | O_DIRECTORY | O_CLOEXEC, resolve);
  return trySyscall("openat2", root ?? AT_FDCWD, cstring(path || "."), how, OPEN_HOW_SIZE);
}

function opened(place: CopyEnd, path: string): number {
  const fd = openDirectory(place, path);
  if (fd < 0) throw new Failure(`${place.name}: ${errnoText(-fd)}`);
  return fd;
}

/** The directory above the last name of a path, and that name. */
function split(path: string): readonly [above: string, name: string] {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? [".", path] : [path.slice(0, slash + 1), path.slice(slash + 1)];
}

/**
 * Finds the source of a copy. A link at the end of the path is copied, not followed.
 *
 * @throws {Failure} where it is not there
 */
export function findSource(place: CopyEnd): Source {
  const { path, name } = place;
  const names = namesIn(path);
  const base = /(^|\/)\.$/.test(path) || names.length === 0 || names.at(-1) === ".."
    ? ""
    : byteStringOfText(names.at(-1) ?? "");
  const isRoot = place.root !== undefined && names.length === 0;
  if (isItself(path)) {
    return { name, directory: opened(place, path), entry: ".", isDirectory: true, base, isRoot };
  }
  const [above, last] = split(path);
  const directory = opened(place, above);
  const entry = byteStringOfText(last);
  try {
    const { mode } = new DirectoryReader().status(directory, entry);
    return { name, directory, entry, isDirectory: (mode & S_IFMT) === S_IFDIR, base, isRoot };
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new Failure(`${name}: ${errnoText(error.errno)}`);
  }
}

/** A place to write to: an open directory, and the name there; empty: the directory itself. */
export interface Target {
  readonly name: string;
  readonly directory: number;
  readonly entry: ByteString;
}

/**
 * Finds where a copy goes: into a directory that exists, else to the name of the path.
 *
 * @param what the source; absent for an archive, which is extracted into a directory
 * @throws {Failure} where it can't go there
 */
export function findTarget(place: CopyEnd, what?: Pick<Source, "isDirectory" | "base">): Target {
  const { path, name } = place;
  const existing = openDirectory(place, path);
  if (existing >= 0) return { name, directory: existing, entry: what?.base ?? "" };
  const missing = existing === -ERRNO.ENOENT;
  if (!missing && existing !== -ERRNO.ENOTDIR) {
    throw new Failure(`${name}: ${errnoText(-existing)}`);
  }
  if (what === undefined || isItself(path) || (what.isDirectory && !missing)) {
    throw new Failure(`${name}: ${missing ? "there is no such directory" : "is not a directory"}`);
  }
  const [above, last] = split(path);
  return { name, directory: opened(place, above), entry: byteStringOfText(last) };
}

/** What the kernel shows below a root is not the app's. */
const KERNEL_FILES: readonly string[] = ["proc", "sys", "dev"];

function entriesOf(
  source: Source,
  path: ByteString,
  mapId: MapId,
  holes: number,
): Generator<TreeItem> {
  const top = path === "" ? "" : `${path}/`;
  const omit = (below: ByteString) =>
    source.isRoot && KERNEL_FILES.includes(below.slice(top.length));
  const tree = new TreeEntries(source.name, path, mapId, { changing: true, omit, holes });
  return tree.below(source.directory, source.entry);
}

/** Writes a source as an archive. */
export function archiveTo(
  source: Source,
  mapId: MapId,
  write: (chunk: Uint8Array) => void,
): void {
  const path = source.base === "" ? "." : source.base;
  for (const chunk of archived(entriesOf(source, path, mapId, ARCHIVED_HOLES))) write(chunk);
}

/** Holes that a copy on the same machine keeps. */
const COPIED_HOLES = 1 << 16;

/** Where in a file its data go, which come one after the other. */
class DataPlaces {
  readonly #pieces: readonly number[];
  #piece = 0;
  #within = 0;

  /** @param pieces of a sparse file; absent where the data are in one */
  constructor(pieces: readonly number[] = [0, Infinity]) {
    this.#pieces = pieces;
  }

  /** The offset of the next bytes, which are all in one piece. */
  next(length: number): number {
    if (this.#within === this.#pieces[this.#piece + 1]) {
      this.#piece += 2;
      this.#within = 0;
    }
    const offset = (this.#pieces[this.#piece] ?? 0) + this.#within;
    this.#within += length;
    return offset;
  }
}

/** Leaves owners as they are. */
export const asItIs = (id: number): number => id;

/** How copies are written. */
export interface CopyOptions {
  /** Owners where it is read, and where it is written. */
  readonly mapFrom: MapId;
  readonly mapTo: MapId;
  /** Whether copies lose their privileges: setuid and setgid bits, and file capabilities. */
  readonly unprivileged: boolean;
}

/**
 * Copies a tree or a file.
 *
 * @returns how many device nodes were left out
 */
export function copyTree(source: Source, target: Target, options: CopyOptions): number {
  using sink = new CopySink(target, options);
  let wanted = false;
  let places = new DataPlaces();
  const end = () => {
    if (wanted) sink.end();
    wanted = false;
  };
  for (const item of entriesOf(source, "", options.mapFrom, COPIED_HOLES)) {
    if (item instanceof Uint8Array) {
      const offset = places.next(item.length);
      if (wanted) sink.data(item, 0, item.length, offset);
      continue;
    }
    end();
    wanted = sink.entry(item);
    places = new DataPlaces(item.pieces);
  }
  end();
  return sink.finish();
}

/**
 * Extracts an archive, which may be compressed.
 *
 * @returns how many device nodes were left out
 */
export async function extractTo(
  archive: ByteSource,
  target: Target,
  options: CopyOptions,
): Promise<number> {
  using sink = new CopySink(target, options);
  using plain = await decompressed(archive);
  const parser = new TarParser(archive.name, sink);
  for (let chunk = await plain.read(); chunk !== undefined; chunk = await plain.read()) {
    parser.push(chunk);
  }
  parser.finish();
  return sink.finish();
}

/** Writes entries below a target. */
class CopySink implements TarSink, Disposable {
  readonly #writer: TreeWriter;
  readonly #target: Target;
  readonly #unprivileged: boolean;
  #entry: TarEntry | undefined;
  #left = 0;

  constructor(target: Target, { mapTo, unprivileged }: CopyOptions) {
    this.#target = target;
    this.#unprivileged = unprivileged;
    trySyscall("umask", 0);
    const directory = `/proc/self/fd/${target.directory}`;
    const { privileged = true, mapUid = asItIs, mapGid = asItIs } = ownership();
    this.#writer = new TreeWriter(directory, {
      merge: true,
      privileged,
      mapUid: (id) => mapUid(mapTo(id, "uid")),
      mapGid: (id) => mapGid(mapTo(id, "gid")),
    });
  }

  entry(raw: TarEntry): boolean {
    const entry = this.#unprivileged ? withoutPrivileges(raw) : raw;
    this.#entry = entry;
    if (entry.kind === "character device" || entry.kind === "block device") {
      this.#left += 1;
      return false;
    }
    return this.#naming(entry, () => {
      const path = this.#path(entry.path);
      const made = entry.kind === "hardlink"
        ? this.#writer.link(path, this.#path(entry.link))
        : this.#writer.create(path, entry);
      if (made === "blocked") throw new KernelError(ERRNO.ENOTDIR, "make it");
      return made === "created" && entry.kind === "file";
    });
  }

  data(chunk: Uint8Array, from: number, to: number, offset: number): void {
    const entry = this.#entry;
    if (entry === undefined) return;
    this.#naming(entry, () => this.#writer.data(entry, chunk, from, to, offset));
  }

  end(): void {
    const entry = this.#entry;
    if (entry !== undefined) this.#naming(entry, () => this.#writer.end(entry));
  }

  finish(): number {
    this.#writer.finish();
    return this.#left;
  }

  /** The path of an entry below the target. */
  #path(path: ByteString): ByteString {
    const parts = namesIn(path);
    if (parts.includes("..")) throw new Failure(`${shown(path)}: an entry may not have ".." in it`);
    return [...this.#target.entry === "" ? [] : [this.#target.entry], ...parts].join("/");
  }

  #naming<T>(entry: TarEntry, step: () => T): T {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const path = shown(this.#path(entry.path));
      throw new Failure(`${this.#target.name}: ${path}: ${error.message}`, 254, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#writer[Symbol.dispose]();
  }
}

/** A program of an app's must not be root's on the host because somebody looked at it there. */
function withoutPrivileges(entry: TarEntry): TarEntry {
  if (entry.kind !== "file") return entry;
  const xattrs = new Map(entry.xattrs);
  xattrs.delete("security.capability");
  return { ...entry, mode: entry.mode & 0o1777, xattrs };
}
