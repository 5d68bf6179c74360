/** Replacing a file in one step: a reader sees the old content or the new one, and never a part. */
import { quietly } from "./clean_up.ts";
import { syncDirectory } from "./sync.ts";

/** How {@linkcode replaceFile} writes. */
export interface ReplaceOptions {
  /**
   * A path on the same file system that nobody else uses meanwhile. Default: hidden, beside the file, with the PID in its
   * name.
   */
  readonly temporary?: string;
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

/**
 * Writes a file beside its place and renames it. On failure nothing is left of it, and what was there before stays.
 *
 * @throws what Deno's calls on files throw
 */
export function replaceFile(path: string, text: string, options: ReplaceOptions = {}): void {
  const slash = path.lastIndexOf("/") + 1;
  const directory = path.slice(0, slash);
  const temporary = options.temporary ?? `${directory}.${path.slice(slash)}.${Deno.pid}`;
  const durable = options.durable ?? true;
  try {
    write(temporary, text, options, durable);
    Deno.renameSync(temporary, path);
  } catch (error) {
    quietly(() => Deno.removeSync(temporary));
    throw error;
  }
  if (durable) syncDirectory(directory === "" ? "." : directory);
}

function write(path: string, text: string, options: ReplaceOptions, durable: boolean): void {
  const mode = options.mode ?? 0o644;
  using file = Deno.openSync(path, { write: true, create: true, truncate: true, mode });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  if (options.exactMode === true) Deno.chmodSync(path, mode);
  const { modified } = options;
  if (modified !== undefined) file.utimeSync(modified / 1000, modified / 1000);
  if (durable) file.syncSync();
}
