/** Images that come in a bundle or a directory: files like any other, whose signatures are verified as such. */
import { decompressed } from "../aci/compression/compression.ts";
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { fileSource } from "../aci/bytes/source.ts";
import type { TarEntry, TarSink } from "../aci/tar/entry.ts";
import { TarParser } from "../aci/tar/tar.ts";
import { Failure } from "../failure.ts";
import { BUNDLED_IMAGE, BUNDLED_KEYS, imageArgumentOf } from "../aci/bundle_names.ts";
import { spareSpace } from "../store/full_disk.ts";
import { TempDirectory } from "../store/temp_directory.ts";

/** So many files may be in a bundle: images, and their signatures. */
const MOST_FILES = 2000;

/** What came in a bundle. */
export interface OpenBundle extends Disposable {
  /** The images, as a command line names them: paths, `oci-archive:…` and `docker-archive:…`. */
  readonly images: readonly string[];
  /** The path of a file with public keys, where there is one: nobody trusts them yet. */
  readonly keys?: string;
  /** A message about these files in which they are called as a person knows them. */
  shown(message: string): string;
}

/**
 * Opens a bundle, or a directory with images as `rkt image publish` makes it.
 *
 * @param path `-`: standard input
 * @throws {Failure} where it is none
 */
export async function openBundle(path: string, dataDir: string): Promise<OpenBundle> {
  if (path !== "-" && isDirectory(path)) return openDirectory(path);
  const temp = TempDirectory.create(dataDir);
  try {
    const sink = new BundleSink(path, temp.path, dataDir);
    using source = await decompressed(fileSource(path === "-" ? "/dev/stdin" : path));
    const parser = new TarParser(path, sink);
    for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
      parser.push(chunk);
    }
    parser.finish();
    if (sink.images.length === 0) throw new Failure(`${path}: has no images in it`);
    return {
      images: sink.images,
      ...sink.keys !== undefined && { keys: sink.keys },
      shown: (message) => shownOf(message, `${temp.path}/`, path),
      [Symbol.dispose]: () => temp[Symbol.dispose](),
    };
  } catch (error) {
    temp[Symbol.dispose]();
    throw error;
  }
}

function openDirectory(path: string): OpenBundle {
  const images = filesBelow(path).sort().flatMap((file) => imageArgumentOf(file) ?? []);
  if (images.length === 0) throw new Failure(`${path}: has no images (*.aci, *.oci) in it`);
  const keys = `${path}/${BUNDLED_KEYS}`;
  return {
    images,
    ...isFile(keys) && { keys },
    shown: (message) => message,
    [Symbol.dispose]: () => {},
  };
}

/** Where the files of a bundle lie for a moment says nothing to anybody. */
function shownOf(message: string, directory: string, bundle: string): string {
  const keys = `${directory}${BUNDLED_KEYS}`;
  const how = message.includes(keys)
    ? `; ${BUNDLED_KEYS} comes out of the bundle by: tar -xf ${bundle} ${BUNDLED_KEYS}`
    : "";
  return message.replaceAll(keys, BUNDLED_KEYS).replaceAll(directory, `${bundle}: `) + how;
}

function filesBelow(path: string): string[] {
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory, isFile }) =>
    isDirectory ? filesBelow(`${path}/${name}`) : isFile ? [`${path}/${name}`] : []
  );
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // what is wrong with it is said when it is opened
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Takes the files of a bundle, and nothing else. */
class BundleSink implements TarSink {
  readonly images: string[] = [];
  keys: string | undefined;
  readonly #seen = new Set<string>();
  #file: Deno.FsFile | undefined;
  readonly #spare: (written: number) => void;

  constructor(readonly name: string, readonly directory: string, dataDir: string) {
    this.#spare = spareSpace(dataDir);
  }

  entry({ kind, path, sparse }: TarEntry): boolean {
    const name = path.replace(/^\.\//, "");
    const known = name === BUNDLED_KEYS || BUNDLED_IMAGE.test(name);
    if (kind !== "file" || sparse || !known || this.#seen.has(name)) {
      const what = JSON.stringify(name.slice(0, 100));
      throw new ArchiveError(`${this.name}: ${what} has no place in a bundle of images`);
    }
    this.#seen.add(name);
    if (this.#seen.size > MOST_FILES) {
      throw new ArchiveError(`${this.name}: has more than ${MOST_FILES} files`);
    }
    const target = `${this.directory}/${name.slice(name.lastIndexOf("/") + 1)}`;
    this.#file = Deno.openSync(target, { write: true, createNew: true, mode: 0o600 });
    const image = imageArgumentOf(target);
    if (name === BUNDLED_KEYS) this.keys = target;
    else if (image !== undefined) this.images.push(image);
    return true;
  }

  data(chunk: Uint8Array, from: number, to: number): void {
    this.#spare(to - from);
    for (let at = from; at < to;) at += this.#file?.writeSync(chunk.subarray(at, to)) ?? to;
  }

  end(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}
