/**
 * An image's bytes from the network, as a source for the store. Broken connections are picked up
 * where they broke, by the range of what is missing and only if the ETag is still the same; bytes
 * that an earlier process left are taken from disk first.
 */
import type { ByteSource } from "../aci/bytes/source.ts";
import { CHUNK_SIZE } from "../aci/bytes/source.ts";
import { Failure } from "../failure.ts";
import type { HttpClient, HttpResponse } from "../http/http_client.ts";
import { PartialFile } from "./partial_file.ts";
import { freshUntil } from "./remote_record.ts";
import { TransportFailure } from "../http/transport_failure.ts";

/** Connections for one download. Each may break, so a slow link with a large image needs many. */
const MAX_CONNECTIONS = 1000;

/** The image changed on the server while it was fetched: what was read so far is worth nothing. */
export class ImageChanged extends Error {
  override readonly name: string = "ImageChanged";
}

/** What to download. */
export interface DownloadOptions {
  /** Where partial files are kept: the store's data directory. */
  readonly dataDir: string;
  /** The ETag of what is stored already: an unchanged image is not sent again. */
  readonly knownEtag?: string;
  /** Refuse more than this. Bytes. */
  readonly maxBytes?: number;
  /** Told how far it is: bytes so far, and of how many if the server said so. */
  readonly progress?: (received: number, total: number | undefined) => void;
}

/** What became of a request for an image. */
export type DownloadStart =
  | { readonly unchanged: true; readonly freshUntil: number }
  | { readonly unchanged: false; readonly download: Download };

/**
 * Asks for an image.
 *
 * @throws {Failure} no answer, or one that is no image
 */
export async function startDownload(
  client: HttpClient,
  url: string,
  options: DownloadOptions,
): Promise<DownloadStart> {
  let partial = await PartialFile.open(options.dataDir, url);
  const anew = () => {
    partial?.remove();
    partial?.[Symbol.dispose]();
    partial = undefined;
    return startDownload(client, url, options);
  };
  try {
    const left = partial?.left();
    const response = await client.get(url, {
      ...options.knownEtag !== undefined && { "if-none-match": options.knownEtag },
      ...left !== undefined && { range: `bytes=${left.size}-`, "if-range": left.etag },
    });
    if (response.status === 304 && options.knownEtag !== undefined) {
      response.cancel();
      // The store has the image, so nobody will ask for the rest of it.
      partial?.remove();
      partial?.[Symbol.dispose]();
      partial = undefined;
      const control = response.headers.get("cache-control");
      return { unchanged: true, freshUntil: freshUntil(control, Date.now()) };
    }
    // Some servers send a range whatever If-Range says: of an image that is another one by now.
    const isRest = left === undefined || response.status !== 206 || continues(response, left);
    if (left !== undefined && (response.status === 416 || !isRest)) {
      response.cancel();
      return await anew();
    }
    const start = response.status === 206 && left !== undefined ? left.size : 0;
    if (response.status !== 200 && start === 0) {
      response.cancel();
      throw new Failure(`${url}: ${response.status} ${response.statusText}`.trim());
    }
    return {
      unchanged: false,
      download: new Download(client, url, options, response, partial, start),
    };
  } catch (error) {
    partial?.[Symbol.dispose]();
    throw error;
  }
}

function strongEtag(headers: Headers): string | undefined {
  const etag = headers.get("etag");
  return etag !== null && etag.startsWith('"') ? etag : undefined;
}

/** `bytes FIRST-LAST/TOTAL` (RFC 9110 §14.4). */
function contentRange(headers: Headers): { first: number; total: number } | undefined {
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "") ??
    [];
  return first === undefined ? undefined : { first: Number(first), total: Number(total) };
}

/** What is known of the part of an image that is there. */
interface KnownPart {
  readonly etag: string;
  /** Bytes of the part. */
  readonly size: number;
  /** Bytes of the whole image. */
  readonly total: number | undefined;
}

/** Whether an answer of status 206 is the rest of the same image. */
function continues({ headers }: HttpResponse, { etag, size, total }: KnownPart): boolean {
  const part = contentRange(headers);
  return part?.first === size && part.total === total && strongEtag(headers) === etag;
}

/** A download under way. Disposing keeps what was received if the connection was what failed. */
export class Download implements ByteSource {
  readonly name: string;
  /** The ETag of what is downloaded. */
  readonly etag: string | undefined;
  readonly freshUntil: number;
  readonly #client: HttpClient;
  readonly #options: DownloadOptions;
  readonly #partial: PartialFile | undefined;
  readonly #total: number | undefined;
  #response: HttpResponse;
  #received: number;
  #connections = 1;
  #connectionLost = false;
  /** What an earlier process left, until it is read. */
  #left: Deno.FsFile | undefined;
  readonly #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(CHUNK_SIZE);

  constructor(
    client: HttpClient,
    url: string,
    options: DownloadOptions,
    response: HttpResponse,
    partial: PartialFile | undefined,
    start: number,
  ) {
    this.name = url;
    this.#client = client;
    this.#options = options;
    this.#response = response;
    this.#partial = partial;
    this.#received = start;
    this.etag = response.headers.get("etag") ?? undefined;
    this.freshUntil = freshUntil(response.headers.get("cache-control"), Date.now());
    const length = response.headers.get("content-length");
    const range = contentRange(response.headers);
    this.#total = range?.total ?? (length === null ? undefined : Number(length));
    this.#checkSize(this.#total ?? 0);
    const etag = strongEtag(response.headers);
    if (start > 0) {
      this.#left = partial?.reader();
      partial?.resume();
    } else if (etag !== undefined && this.#total !== undefined && this.#total > 0) {
      partial?.begin({ url, etag, total: this.#total });
    } else {
      partial?.remove();
    }
  }

  /** Whether a broken connection can be picked up. */
  get #resumable(): boolean {
    return strongEtag(this.#response.headers) !== undefined;
  }

  /**
   * @throws {ImageChanged} start again, with a new download
   * @throws {Failure}
   */
  async read(): Promise<Uint8Array | undefined> {
    const left = this.#readLeft();
    if (left !== undefined) return left;
    for (let attempt = 1;; attempt++) {
      try {
        const chunk = await this.#response.read();
        if (chunk !== undefined) return this.#took(chunk);
        if (this.#total === undefined || this.#received === this.#total) return undefined;
        throw new TransportFailure(this.#shortText(), true);
      } catch (error) {
        if (!(error instanceof TransportFailure)) throw error;
        await this.#reconnect(error, attempt);
      }
    }
  }

  #readLeft(): Uint8Array | undefined {
    const count = this.#left?.readSync(this.#buffer) ?? null;
    if (count !== null) return this.#buffer.subarray(0, count);
    this.#left?.close();
    this.#left = undefined;
    return undefined;
  }

  #took(chunk: Uint8Array): Uint8Array {
    this.#received += chunk.length;
    this.#checkSize(this.#received);
    this.#partial?.append(chunk);
    this.#options.progress?.(this.#received, this.#total);
    return chunk;
  }

  #checkSize(size: number): void {
    const { maxBytes } = this.#options;
    if (maxBytes !== undefined && size > maxBytes) {
      throw new Failure(`${this.name}: larger than the ${maxBytes} bytes that it should have`);
    }
  }

  #shortText(): string {
    return `${this.name}: the server sent ${this.#received} of ${this.#total} bytes`;
  }

  async #reconnect(broken: TransportFailure, attempt: number): Promise<void> {
    this.#connectionLost = true;
    this.#connections++;
    const { retry } = this.#client;
    if (attempt >= retry.attempts || this.#connections > MAX_CONNECTIONS) {
      const kept = this.#resumable && this.#partial !== undefined ? "; fetch again to go on" : "";
      const text = this.#total === undefined ? broken.message : this.#shortText();
      throw new Failure(`${text}${kept}`, 254, { cause: broken });
    }
    await this.#client.pause(attempt);
    const etag = strongEtag(this.#response.headers);
    this.#response.cancel();
    // Without an ETag nothing shows that the rest would belong to the beginning.
    if (etag === undefined) {
      const text = this.#total === undefined ? broken.message : this.#shortText();
      throw new ImageChanged(text, { cause: broken });
    }
    const range = { range: `bytes=${this.#received}-`, "if-range": etag };
    const response = await this.#client.get(this.name, range);
    if (response.status === 416) {
      response.cancel();
      this.#connectionLost = false;
      throw new Failure(this.#shortText());
    }
    const known = { etag, size: this.#received, total: this.#total };
    if (response.status !== 206 || !continues(response, known)) {
      response.cancel();
      this.#connectionLost = response.status >= 500;
      if (response.status === 200 || response.status === 206) {
        throw new ImageChanged(`${this.name}: changed on the server while it was fetched`);
      }
      throw new Failure(`${this.name}: ${response.status} ${response.statusText}`.trim());
    }
    this.#response = response;
    this.#connectionLost = false;
  }

  [Symbol.dispose](): void {
    this.#response.cancel();
    this.#left?.close();
    if (!this.#connectionLost) this.#partial?.remove();
    this.#partial?.[Symbol.dispose]();
  }
}
