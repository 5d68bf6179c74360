/** HTTP as images are fetched by it: redirects, credentials and retries, each within bounds. */
import type { CredentialsByHost } from "../config/settings.ts";
import { Failure } from "../failure.ts";
import { beginsWith, MAGIC } from "../aci/compression/compression.ts";
import { releaseChunk } from "../aci/bytes/release_chunk.ts";
import { RKT_VERSION } from "../version.ts";
import { authorization } from "./authorization.ts";
import { openTransport, type Transport, type TransportOptions } from "./transport.ts";
import { TransportFailure, transportFailure } from "./transport_failure.ts";

/** Redirects in a row, as in rkt. */
const MAX_REDIRECTS = 10;

/** How long a server may keep silent. Milliseconds. */
const SILENCE = 60_000;

/** How long something small may take to come, however steadily. Milliseconds. */
const PATIENCE = 300_000;

/** The longest that a server's `Retry-After` is obeyed. Milliseconds. */
const LONGEST_WAIT = 30_000;

/** When and how often something is tried again. */
export interface RetryPolicy {
  /** Tries in all; default 5. */
  readonly attempts: number;
  /** Milliseconds before the second try; doubled each time. Default 250. */
  readonly firstDelay: number;
  /** Waits; default: a timer. */
  readonly wait: (milliseconds: number) => Promise<void>;
}

/** What {@linkcode RetryPolicy} is by default. */
export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 5,
  firstDelay: 250,
  wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/** How to speak HTTP. */
export interface HttpOptions extends TransportOptions {
  readonly credentials: CredentialsByHost;
  /** Allow plain http, also by redirect from https (`--insecure-options=http`). */
  readonly allowHttp?: boolean;
  readonly retry?: Partial<RetryPolicy>;
  /** Told about each request, for `--debug`. */
  readonly log?: (line: string) => void;
}

/** A server's answer. Its body must be read to its end or cancelled. */
export interface HttpResponse {
  /** Where it came from in the end. */
  readonly url: string;
  /** Whether all requests on the way there were https. */
  readonly encrypted: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  /** The next bytes, valid until the next call; undefined at the end. @throws {TransportFailure} */
  read(): Promise<Uint8Array | undefined>;
  cancel(): void;
}

/** Statuses that a moment later may be another (RFC 9110 §15). */
export const TRANSIENT: readonly number[] = [429, 500, 502, 503, 504];

/** A client with the connections that it keeps. */
export class HttpClient implements Disposable {
  readonly retry: RetryPolicy;
  #transport: Promise<Transport> | undefined;
  #disposed = false;

  constructor(readonly options: HttpOptions) {
    this.retry = { ...DEFAULT_RETRY, ...options.retry };
  }

  /**
   * Gets a URL: follows redirects, tries again where that may help.
   *
   * @returns the answer, whatever its status
   * @throws {Failure} no answer, or a redirect that must not be followed
   */
  async get(url: string, headers: Record<string, string> = {}): Promise<HttpResponse> {
    for (let attempt = 1;; attempt++) {
      try {
        const response = await this.#followed(url, headers);
        if (!TRANSIENT.includes(response.status) || attempt >= this.retry.attempts) return response;
        this.options.log?.(`${url}: ${response.status} ${response.statusText}, trying again`);
        const wanted = Number(response.headers.get("retry-after") ?? "") * 1000 || 0;
        response.cancel();
        await this.pause(attempt, wanted);
      } catch (error) {
        const hopeful = error instanceof TransportFailure && error.retryable;
        if (!hopeful || attempt >= this.retry.attempts) throw error;
        this.options.log?.(`${error.message}, trying again`);
        await this.pause(attempt);
      }
    }
  }

  /** Waits before the next try: longer each time, at least as long as the server wants. */
  async pause(attempt: number, wanted = 0): Promise<void> {
    const delay = this.retry.firstDelay * 2 ** Math.min(attempt - 1, 8);
    await this.retry.wait(Math.min(Math.max(delay, wanted), LONGEST_WAIT));
  }

  async #followed(start: string, headers: Record<string, string>): Promise<HttpResponse> {
    let url = this.#allowed(start, undefined);
    let encrypted = true;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      encrypted &&= url.protocol === "https:";
      const response = await this.#once(url, headers, encrypted);
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) {
        return response;
      }
      response.cancel();
      this.options.log?.(`${url}: ${response.status}, goes on to ${location}`);
      if (!URL.canParse(location, url)) {
        throw new Failure(`${url}: redirects to ${JSON.stringify(location)}, which is no URL`);
      }
      url = this.#allowed(new URL(location, url).href, url);
    }
    throw new Failure(`${start}: more than ${MAX_REDIRECTS} redirects`);
  }

  /** Checks where a request would go: https, and http where it is allowed. */
  #allowed(url: string, from: URL | undefined): URL {
    const to = new URL(url);
    if (to.protocol === "https:" || (to.protocol === "http:" && this.options.allowHttp)) return to;
    const hint = to.protocol === "http:"
      ? "is not encrypted; --insecure-options=http allows that"
      : "is no web address";
    throw new Failure(
      from === undefined ? `${url}: ${hint}` : `${from}: redirects to ${to}: ${hint}`,
    );
  }

  async #once(
    url: URL,
    headers: Record<string, string>,
    encrypted: boolean,
  ): Promise<HttpResponse> {
    if (this.#disposed) throw new TypeError("the HTTP client is closed");
    this.#transport ??= openTransport(this.options);
    const transport = await this.#transport;
    const silence = new Silence();
    const sent = {
      "user-agent": `rkt/${RKT_VERSION}`,
      // The image is what is hashed and signed, so it must arrive as it lies there.
      "accept-encoding": "identity",
      ...headers,
      // By the host that is asked now: what one host may see, the next one may not.
      ...await authorization(url, this.options.credentials),
    };
    try {
      const response = await silence.guard(transport.send(url.href, sent, silence.signal));
      return httpResponse(url.href, encrypted, response, silence);
    } catch (error) {
      throw transportFailure(url.href, error);
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#transport?.then((transport) => transport[Symbol.dispose](), () => {});
  }
}

/**
 * Bounds the time of something small: a byte now and then is no silence.
 *
 * @param what the URL, for the message
 * @returns to be called with each part that comes. @throws {Failure} when it has taken too long
 */
export function withinTime(what: string, patience = PATIENCE): () => void {
  const end = performance.now() + patience;
  return () => {
    if (performance.now() <= end) return;
    throw new Failure(`${what}: not there whole after ${patience / 1000} seconds`);
  };
}

/** Ends a request whose server keeps silent. */
export class Silence {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;

  async guard<T>(step: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#controller.abort(new Error("timed out")), SILENCE);
    try {
      return await step;
    } finally {
      clearTimeout(timer);
    }
  }
}

function httpResponse(
  url: string,
  encrypted: boolean,
  response: Response,
  silence: Silence,
): HttpResponse {
  const reader = response.body?.getReader();
  let last: Uint8Array | undefined;
  return {
    url,
    encrypted,
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
    async read() {
      releaseChunk(last);
      last = undefined;
      try {
        for (;;) {
          const result = await silence.guard(reader?.read() ?? ENDED);
          if (result.done) return undefined;
          if (result.value.length > 0) return last = result.value;
        }
      } catch (error) {
        throw new TransportFailure(transportFailure(url, error).message, true, { cause: error });
      }
    },
    cancel: () => void reader?.cancel().catch(() => {}),
  };
}

const ENDED: Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>> = Promise.resolve({
  done: true,
});

/** Undoes what a server has made of something small: what is asked for so begins with gzip's magic number only then. */
async function gunzipped(
  url: string,
  bytes: Uint8Array<ArrayBuffer>,
  limit: number,
): Promise<Uint8Array> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))
    .getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  try {
    for (let size = 0;;) {
      const { value, done } = await reader.read();
      if (done) return new Uint8Array(await new Blob(chunks).arrayBuffer());
      size += value.length;
      if (size > limit) throw new Failure(`${url}: larger than ${limit} bytes`);
      chunks.push(value);
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`${url}: it is compressed with gzip, and damaged`, 254, { cause: error });
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** An answer with its whole body. */
export interface SmallResponse
  extends Pick<HttpResponse, "url" | "encrypted" | "status" | "statusText"> {
  readonly bytes: Uint8Array;
}

/**
 * Gets something small whole; tries again where the connection breaks.
 *
 * @param patience milliseconds for all of it
 * @throws {Failure} no answer, one of more than `limit` bytes, or one that takes too long
 */
export async function getSmall(
  client: HttpClient,
  url: string,
  limit: number,
  patience?: number,
): Promise<SmallResponse> {
  for (let attempt = 1;; attempt++) {
    const response = await client.get(url);
    try {
      const { url, encrypted, status, statusText } = response;
      return {
        url,
        encrypted,
        status,
        statusText,
        bytes: await readSmall(response, limit, patience),
      };
    } catch (error) {
      if (!(error instanceof TransportFailure) || attempt >= client.retry.attempts) throw error;
      await client.pause(attempt);
    }
  }
}

async function readSmall(
  response: HttpResponse,
  limit: number,
  patience?: number,
): Promise<Uint8Array> {
  const check = withinTime(response.url, patience);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (;;) {
    const chunk = await response.read();
    if (chunk === undefined) break;
    size += chunk.length;
    try {
      check();
      if (size > limit) throw new Failure(`${response.url}: larger than ${limit} bytes`);
    } catch (error) {
      response.cancel();
      throw error;
    }
    chunks.push(new Uint8Array(chunk));
  }
  const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
  // It was asked for as it is; some servers send it compressed all the same.
  return beginsWith(whole, MAGIC.gzip) ? await gunzipped(response.url, whole, limit) : whole;
}
