/** A download from several mirrors, whose beginning is kept for the next fetch where this one ends before it is complete. */
import type { ByteSource } from "../../aci/bytes/source.ts";
import { CHUNK_SIZE } from "../../aci/bytes/source.ts";
import type { HttpClient } from "../../http/http_client.ts";
import { PartialFile } from "../partial_file.ts";
import type { Metalink } from "./metalink.ts";
import { MirrorSource, pieceLength } from "./mirror_source.ts";
import { rangeGetter } from "./ranges.ts";

/** What is downloaded. */
export interface MirroredOptions {
  readonly file: Metalink;
  /** The image's first URL, for messages; also what the kept bytes are found by. */
  readonly location: string;
  readonly dataDir: string;
  /** What says whether kept bytes belong to the same file, where its pieces have no digests. */
  readonly etag?: string;
  progress(received: number, total: number): void;
  /** Why a mirror is asked no more. */
  dropped(why: string): void;
}

/** The bytes of the file, in their order. */
export class MirroredDownload implements ByteSource {
  readonly name: string;
  readonly #mirrors: MirrorSource;
  readonly #partial: PartialFile | undefined;
  #left: Deno.FsFile | undefined;
  readonly #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(CHUNK_SIZE);

  private constructor(
    mirrors: MirrorSource,
    partial: PartialFile | undefined,
    left: Deno.FsFile | undefined,
  ) {
    this.name = mirrors.name;
    this.#mirrors = mirrors;
    this.#partial = partial;
    this.#left = left;
  }

  /** Begins where an earlier download of the same file has ended. */
  static async open(client: HttpClient, options: MirroredOptions): Promise<MirroredDownload> {
    const { file, location, dataDir, progress, dropped } = options;
    const etag = file.pieces === undefined ? options.etag : await digestOf(file.pieces.digests);
    const partial = etag === undefined ? undefined : await PartialFile.open(dataDir, location);
    const left = partial?.left();
    const isSame = left?.etag === etag && left?.total === file.size;
    const from = isSame ? Math.floor((left?.size ?? 0) / pieceLength(file)) : 0;
    if (from > 0) {
      partial?.cut(from * pieceLength(file));
      partial?.resume();
    } else if (etag !== undefined) partial?.begin({ url: location, etag, total: file.size });
    const mirrors = new MirrorSource(file, {
      name: location,
      getRange: rangeGetter(client),
      progress,
      dropped: (_, why) => dropped(why),
      from,
    });
    return new MirroredDownload(mirrors, partial, from > 0 ? partial?.reader() : undefined);
  }

  async read(): Promise<Uint8Array | undefined> {
    const count = this.#left?.readSync(this.#buffer) ?? null;
    if (count !== null) return this.#buffer.subarray(0, count);
    this.#left?.close();
    this.#left = undefined;
    const bytes = await this.#mirrors.read();
    if (bytes !== undefined) this.#partial?.append(bytes);
    // All of it came: if it is refused now, the next fetch must not begin with the same bytes.
    else this.#partial?.remove();
    return bytes;
  }

  /** The image is in the store. */
  complete(): void {
    this.#partial?.remove();
  }

  [Symbol.dispose](): void {
    this.#mirrors[Symbol.dispose]();
    this.#left?.close();
    this.#left = undefined;
    this.#partial?.[Symbol.dispose]();
  }
}

/** Stands for a file in the place of an ETag, which each mirror may have another one of. */
async function digestOf(digests: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(digests.join());
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
