/**
 * What was received of an image before the connection or rkt itself died, for the next fetch of the
 * same URL to go on from: `cas/partial/DIGEST`, locked while it is written. Kept only where the
 * server gave a strong ETag, without which nobody could tell whether the rest belongs to it.
 */
import { closeDescriptor, openLockFile, tryLockExclusive } from "../linux/lock.ts";
import { digestOf } from "./url_digest.ts";
import { ifThere } from "../linux/exists.ts";

/** Which download the bytes belong to. */
export interface PartialState {
  readonly url: string;
  /** A strong ETag. */
  readonly etag: string;
  /** Bytes of the whole image. */
  readonly total: number;
}

/** The bytes of a download so far. Disposing of it keeps them for later, unless removed before. */
export class PartialFile implements Disposable {
  readonly #path: string;
  readonly #lock: number;
  #file: Deno.FsFile | undefined;

  private constructor(path: string, lock: number) {
    this.#path = path;
    this.#lock = lock;
  }

  /** Opens the partial file of a URL; undefined where another process is at it. */
  static async open(dataDir: string, url: string): Promise<PartialFile | undefined> {
    const directory = `${dataDir}/cas/partial`;
    Deno.mkdirSync(directory, { recursive: true, mode: 0o750 });
    const path = `${directory}/${await digestOf(url)}`;
    const lock = openLockFile(`${path}.lock`);
    // Who was at it before may have removed the lock file since it was opened here.
    if (tryLockExclusive(lock, path) && isStill(lock, `${path}.lock`)) {
      return new PartialFile(path, lock);
    }
    closeDescriptor(lock);
    return undefined;
  }

  /** What is there from an earlier time: which download, and how many bytes of it. */
  left(): (PartialState & { readonly size: number }) | undefined {
    try {
      const state: Partial<PartialState> = JSON.parse(Deno.readTextFileSync(`${this.#path}.json`));
      const { url, etag, total } = state;
      const { size } = Deno.statSync(this.#path);
      const usable = typeof url === "string" && typeof etag === "string" &&
        typeof total === "number" && size > 0 && size < total;
      return usable ? { url, etag, total, size } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Begins anew, with a download that can be resumed. */
  begin(state: PartialState): void {
    this.#close();
    this.#file = Deno.openSync(this.#path, {
      write: true,
      create: true,
      truncate: true,
      mode: 0o640,
    });
    Deno.writeTextFileSync(`${this.#path}.json`, JSON.stringify(state), { mode: 0o640 });
  }

  /** Forgets all bytes but the first ones. */
  cut(size: number): void {
    Deno.truncateSync(this.#path, size);
  }

  /** Goes on behind the bytes that are there. */
  resume(): void {
    this.#close();
    this.#file = Deno.openSync(this.#path, { append: true });
  }

  /** Opens what is there for reading. */
  reader(): Deno.FsFile {
    return Deno.openSync(this.#path);
  }

  /** Takes the next bytes. Does without when the disk is full: the image needs the space more. */
  append(bytes: Uint8Array): void {
    if (this.#file === undefined) return;
    try {
      for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    } catch {
      this.remove();
    }
  }

  /** Removes the bytes: they are complete, or worth nothing. */
  remove(): void {
    this.#close();
    for (const path of [`${this.#path}.json`, this.#path]) {
      ifThere(() => Deno.removeSync(path));
    }
  }

  #close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Lets others at the file. The lock file goes with the last bytes, while it is still locked. */
  [Symbol.dispose](): void {
    this.#close();
    if (this.left() === undefined) {
      this.remove();
      Deno.removeSync(`${this.#path}.lock`);
    }
    closeDescriptor(this.#lock);
  }
}

/** Whether a path still is the file behind a descriptor: who held the lock may have removed it. */
export function isStill(fd: number, path: string): boolean {
  return ifThere(() => Deno.statSync(`/proc/self/fd/${fd}`).ino === Deno.statSync(path).ino) ??
    false;
}
