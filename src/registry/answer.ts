/** A registry's answer: its body is read in parts, each within a time, or whole, up to a limit. */
import { parseJsonObject } from "../appc/json_value.ts";
import { quoted } from "../oci/quoted.ts";
import { Failure } from "../failure.ts";
import { type Silence, withinTime } from "../http/http_client.ts";
import { TransportFailure, transportFailure } from "../http/transport_failure.ts";

/** An answer whose body is to be read or cancelled. */
export class Answer {
  readonly #body: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  readonly #silence: Silence;
  #pending: Uint8Array<ArrayBuffer> | undefined;

  constructor(readonly url: URL, readonly response: Response, silence: Silence) {
    this.#body = response.body?.getReader();
    this.#silence = silence;
  }

  get status(): number {
    return this.response.status;
  }

  get headers(): Headers {
    return this.response.headers;
  }

  /** The next bytes, which belong to the caller; `undefined` at the end. @throws {TransportFailure} */
  async read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined || this.#body === undefined) return pending;
    try {
      for (;;) {
        const { done, value } = await this.#silence.guard(this.#body.read());
        if (done) return undefined;
        if (value.length > 0) return value;
      }
    } catch (error) {
      const { message } = transportFailure(this.url.href, error);
      throw new TransportFailure(message, true, { cause: error });
    }
  }

  /** Makes bytes the next ones to be read. */
  putBack(bytes: Uint8Array<ArrayBuffer>): void {
    this.#pending = bytes;
  }

  /**
   * The whole body.
   *
   * @param patience milliseconds for all of it
   * @throws {Failure} more than `limit` bytes, or one that takes too long
   * @throws {TransportFailure} a connection that broke
   */
  async bytes(limit: number, patience?: number): Promise<Uint8Array<ArrayBuffer>> {
    const check = withinTime(placeOf(this.url), patience);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for (let chunk; (chunk = await this.read()) !== undefined;) {
      size += chunk.length;
      try {
        check();
        if (size > limit) {
          throw new Failure(`${placeOf(this.url)}: the answer is larger than ${limit} bytes`);
        }
      } catch (error) {
        this.cancel();
        throw error;
      }
      chunks.push(chunk);
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  }

  /** Lets go of the rest. */
  cancel(): void {
    this.#body?.cancel().catch(() => {});
  }
}

/**
 * Where a list goes on (RFC 8288, `Link: <…>; rel="next"`). Only on the same host: elsewhere the password would not go with the
 * request, and must not.
 */
export function nextPage(answer: Answer): URL | undefined {
  const link = answer.headers.get("link") ?? "";
  const [, next] = /<([^>]{1,2000})>\s*;\s*rel="?next"?/.exec(link) ?? [];
  const url = next === undefined ? null : URL.parse(next, answer.url);
  return url !== null && url.origin === answer.url.origin ? url : undefined;
}

/** A URL for messages: queries may hold a signature with which anybody could read, and users their passwords. */
export function placeOf(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** Bytes of an error's text. */
const MAX_ERROR = 64 << 10;

/**
 * What an answer that is an error says (distribution-spec, "Error Codes"): `404 (MANIFEST_UNKNOWN: "manifest unknown")`. Reads
 * the body. What the server says is escaped.
 */
export async function errorText(answer: Answer): Promise<string> {
  const status = `${answer.status}`;
  try {
    const { errors } = parseJsonObject(new TextDecoder().decode(await answer.bytes(MAX_ERROR)));
    const [first]: unknown[] = Array.isArray(errors) ? errors : [];
    if (typeof first !== "object" || first === null) return status;
    const [code, message] = [Reflect.get(first, "code"), Reflect.get(first, "message")];
    const words = [
      ...typeof code === "string" && /^[A-Z_]{1,40}$/.test(code) ? [code] : [],
      ...typeof message === "string" && message !== "" ? [quoted(message)] : [],
    ];
    return words.length === 0 ? status : `${status} (${words.join(": ")})`;
  } catch {
    // No JSON, too long, or cut: the status has to do.
    answer.cancel();
    return status;
  }
}

/** What a server says about when to come back: milliseconds. Seconds or a date (RFC 9110 §10.2.3). */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = value === "" ? NaN : Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** A time for people: `40 s`, `5 min`, `6 h`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

/** What is known of a limit of requests, in words. Docker Hub says it in `ratelimit-limit: 100;w=21600`. */
export function rateLimitText(headers: Headers, now: number): string {
  const [, count, window] = /^(\d{1,9});w=(\d{1,9})$/.exec(headers.get("ratelimit-limit") ?? "") ??
    [];
  const allowed = count === undefined
    ? ""
    : `; it allows ${count} pulls in ${durationText(Number(window) * 1000)}`;
  const wait = retryAfter(headers, now);
  return `too many requests${allowed}${
    wait === undefined ? "" : `; try again in ${durationText(wait)}`
  }`;
}
