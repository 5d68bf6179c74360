/** Writes App Container Images from a root file system directory. */
import type { Gzip } from "node:zlib";
import { Failure } from "../failure.ts";
import { Replacement } from "../linux/atomic_file.ts";
import { MANIFEST, MAX_MANIFEST, ROOTFS } from "./structure.ts";
import { padding } from "./tar/tar_field.ts";
import { archived } from "./tar/archived.ts";
import { tarHeader } from "./tar/tar_writer.ts";
import { ARCHIVED_HOLES, type MapId, TreeEntries, type TreeItem } from "./tree_entries.ts";

/** What to build. */
export interface BuildOptions {
  /** The directory that becomes `rootfs`: its path, or a descriptor and what it is called in messages. */
  readonly rootfs: string | { readonly fd: number; readonly name: string };
  /** The manifest's text, exactly as it is to stand in the image. */
  readonly manifest: string;
  /** The file to write. */
  readonly out: string;
  /** Default: gzip. */
  readonly compression?: "gzip" | "none";
  /** Replace an existing file. Default: false. */
  readonly overwrite?: boolean;
  /** Files that are younger get this time: seconds since 1970. */
  readonly latest?: number | undefined;
  /** Whose all files are. Default: as they are. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Maps owners and groups to those that the image is to have. Default: as they are. */
  readonly mapId?: MapId;
}

/** Within 2 % of the size of level 6 (the default), in three quarters of its time. */
const GZIP_LEVEL = 4;
const READ_SIZE = 1 << 18;

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
  using replacement = openNew(out);
  const imageId = await writeAci(options, replacement.file);
  replacement.commit();
  return imageId;
}

function checkPlaces(
  out: string,
  directory: string,
  rootfs: BuildOptions["rootfs"],
  overwrite: boolean,
): void {
  if (!overwrite && exists(out)) throw new Failure(`${out}: exists; --overwrite replaces it`);
  if (typeof rootfs !== "string") return void realDirectory(directory);
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

function openNew(out: string): Replacement {
  try {
    return new Replacement(out, { mode: 0o666 });
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

/** Takes bytes of an archive. */
export interface Output {
  /** Takes a chunk, whose buffer may be used again afterwards. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  end(): Promise<void> | undefined;
}

/** Writes to a file, compressed or not. */
export async function openOutput(file: Deno.FsFile, compression: "gzip" | "none"): Promise<Output> {
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

/** The header of a manifest. */
export function manifestHeader(size: number): Uint8Array {
  return tarHeader({
    kind: "file",
    path: MANIFEST,
    link: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: 0,
    major: 0,
    minor: 0,
    xattrs: new Map(),
  });
}

/** The uncompressed archive; a chunk is valid until the next one. */
function* aciChunks(options: BuildOptions): Generator<Uint8Array> {
  const manifest = new TextEncoder().encode(options.manifest);
  if (manifest.length > MAX_MANIFEST) throw new Failure("the manifest is too large");
  yield manifestHeader(manifest.length);
  yield manifest;
  yield new Uint8Array(padding(manifest.length));
  const { rootfs, mapId, latest, owner } = options;
  const holes = { holes: ARCHIVED_HOLES };
  const items = typeof rootfs === "string"
    ? new TreeEntries(rootfs, ROOTFS, mapId).root()
    : new TreeEntries(rootfs.name, ROOTFS, mapId, holes).below(rootfs.fd, ".");
  const owned = owner === undefined ? items : ownedBy(items, owner);
  yield* archived(latest === undefined ? owned : notYounger(owned, latest));
}

function* ownedBy(
  items: Iterable<TreeItem>,
  owner: { readonly uid: number; readonly gid: number },
): Generator<TreeItem> {
  for (const item of items) yield item instanceof Uint8Array ? item : { ...item, ...owner };
}

function* notYounger(items: Iterable<TreeItem>, latest: number): Generator<TreeItem> {
  for (const item of items) {
    const isYounger = !(item instanceof Uint8Array) && "mtime" in item && item.mtime > latest;
    yield isYounger ? { ...item, mtime: latest, mtimeNs: 0 } : item;
  }
}
