/** Replacing a file in one step: a reader sees the old content or the new one, and never a part. */
import { quietly } from "./clean_up.ts";
import { syncDirectory } from "./sync.ts";

/** How a {@linkcode Replacement} is written. */
export interface ReplaceOptions {
  /** A directory on the same file system to write in. Default: that of the file. */
  readonly directory?: string;
  /** Permissions, from which the umask takes bits away. Default: 0644. */
  readonly mode?: number;
  /** Whether the file gets {@linkcode mode} whatever the umask is. Default: false. */
  readonly exactMode?: boolean;
  /**
   * Whether the content is on the disk when this returns: fsync(2) of the file before the rename, and of its directory
   * after it. Caches do without, which is faster. Default: true.
   */
  readonly durable?: boolean;
  /** The time of change of the content, in milliseconds since 1970. Default: now. */
  readonly modified?: number;
}

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf("/") + 1);

/**
 * The path of a new file in a directory, hidden. Nobody can guess it: who may write to the directory could else put a
 * link there.
 *
 * @param directory ends with a slash, or is empty for the working directory
 */
export function temporaryPath(directory: string): string {
  return `${directory}.rkt-${crypto.randomUUID()}.tmp`;
}

/** What {@linkcode temporaryPath} makes names of. */
const TEMPORARY = /^\.rkt-[0-9a-f-]{36}\.tmp$/;

/** So old is what nobody writes any more, in milliseconds. */
const ABANDONED = 3_600_000;

/** A new file that takes the place of another one when it is complete. Disposing of it before leaves nothing of it. */
export class Replacement implements Disposable {
  /** To write to. */
  readonly file: Deno.FsFile;
  readonly #temporary: string;
  readonly #path: string;
  readonly #options: ReplaceOptions;
  #open = true;

  /** @throws what Deno.openSync() throws */
  constructor(path: string, options: ReplaceOptions = {}) {
    const { directory, mode = 0o644 } = options;
    this.#path = path;
    this.#options = options;
    this.#temporary = temporaryPath(directory === undefined ? directoryOf(path) : `${directory}/`);
    // createNew is O_EXCL, which follows no link (open(2)).
    this.file = Deno.openSync(this.#temporary, { write: true, createNew: true, mode });
  }

  /** Writes all of some bytes, which write(2) may take in parts. */
  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += this.file.writeSync(bytes.subarray(at));
  }

  /**
   * Puts the file in its place.
   *
   * @throws what Deno's calls on files throw; what was there before stays then
   */
  commit(): void {
    const { mode = 0o644, exactMode = false, modified, durable = true } = this.#options;
    if (exactMode) Deno.chmodSync(this.#temporary, mode);
    if (modified !== undefined) this.file.utimeSync(modified / 1000, modified / 1000);
    if (durable) this.file.syncSync();
    Deno.renameSync(this.#temporary, this.#path);
    this.#close();
    if (durable) syncDirectory(directoryOf(this.#path) || ".");
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#close();
    quietly(() => Deno.removeSync(this.#temporary));
  }

  #close(): void {
    this.#open = false;
    this.file.close();
  }
}

/**
 * Writes a file beside its place and renames it. On failure nothing is left of it, and what was there before stays.
 *
 * @throws what Deno's calls on files throw
 */
export function replaceFile(path: string, text: string, options: ReplaceOptions = {}): void {
  using replacement = new Replacement(path, options);
  const bytes = new TextEncoder().encode(text);
  replacement.write(bytes);
  replacement.commit();
}

/** Removes what writers that were killed have left in a directory. */
export function removeAbandoned(directory: string): void {
  try {
    for (const { name } of Deno.readDirSync(directory)) {
      if (!TEMPORARY.test(name)) continue;
      const path = `${directory}/${name}`;
      const { mtime } = Deno.lstatSync(path);
      if (Date.now() - (mtime?.getTime() ?? Date.now()) > ABANDONED) Deno.removeSync(path);
    }
  } catch (error) {
    // Another gc was faster, or there is no such directory.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
