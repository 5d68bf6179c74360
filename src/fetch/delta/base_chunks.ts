/** Which chunks of an image the store has already, in archives of other images. */
import { Chunker } from "../../aci/chunks/chunker.ts";
import { chunkDigester } from "../../aci/chunks/chunk_index.ts";
import { CHUNK_SIZE } from "../../aci/bytes/source.ts";
import { ifThere } from "../../linux/exists.ts";

interface Place {
  readonly file: Deno.FsFile;
  readonly at: number;
}

/** Chunks of archives that are open. */
export class BaseChunks implements Disposable {
  readonly #places = new Map<string, Place>();
  readonly #files: Deno.FsFile[] = [];
  #size = 0;

  /** Bytes of the archives. */
  get size(): number {
    return this.#size;
  }

  /**
   * Cuts archives.
   *
   * @param paths uncompressed archives; those that are gone count as none
   * @param wanted digests of the chunks that are looked for
   */
  static async of(paths: readonly string[], wanted: ReadonlySet<string>): Promise<BaseChunks> {
    const base = new BaseChunks();
    try {
      const digestOf = await chunkDigester();
      for (const path of paths) base.#add(path, wanted, digestOf);
      return base;
    } catch (error) {
      base[Symbol.dispose]();
      throw error;
    }
  }

  #add(path: string, wanted: ReadonlySet<string>, digestOf: (chunk: Uint8Array) => string): void {
    const file = ifThere(() => Deno.openSync(path));
    if (file === undefined) return;
    // It stays open: what was found is read from it later, even if the store lets go of it.
    this.#files.push(file);
    let at = 0;
    const chunker = new Chunker((chunk) => {
      const digest = digestOf(chunk);
      if (wanted.has(digest)) this.#places.set(digest, { file, at });
      at += chunk.length;
    });
    const buffer = new Uint8Array(CHUNK_SIZE);
    for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) {
      chunker.push(buffer.subarray(0, n));
    }
    chunker.end();
    this.#size += at;
  }

  has(digest: string): boolean {
    return this.#places.has(digest);
  }

  /** Reads a chunk, which nobody has looked at since; fewer bytes where the file has become shorter. */
  read(digest: string, size: number): Uint8Array {
    const place = this.#places.get(digest);
    const bytes = new Uint8Array(size);
    if (place === undefined) return bytes.subarray(0, 0);
    place.file.seekSync(place.at, Deno.SeekMode.Start);
    let fill = 0;
    while (fill < size) {
      const n = place.file.readSync(bytes.subarray(fill));
      if (n === null) break;
      fill += n;
    }
    return bytes.subarray(0, fill);
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.splice(0)) file.close();
  }
}
