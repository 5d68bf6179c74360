/**
 * What is known about images by their URL: which stored image a URL stood for, and how long that may
 * be believed. One small file each in `cas/remote`, so that any number of processes can write them
 * and the index can be rebuilt without losing them.
 */
import { replaceFile } from "../linux/atomic_file.ts";
import type { StoreKey } from "../appc/image_id.ts";
import { digestOf } from "./url_digest.ts";

/** What the last answer for a URL was. */
export interface RemoteRecord {
  readonly url: string;
  readonly key: StoreKey;
  /** The server's ETag, if it gave one. */
  readonly etag?: string;
  /** How long the answer is good without asking again. Milliseconds since 1970. */
  readonly freshUntil: number;
}

async function recordPath(dataDir: string, url: string): Promise<string> {
  return `${dataDir}/cas/remote/${await digestOf(url)}.json`;
}

/** Reads the record of a URL. A damaged one counts as none. */
export async function readRemoteRecord(
  dataDir: string,
  url: string,
): Promise<RemoteRecord | undefined> {
  try {
    const record: Partial<RemoteRecord> = JSON.parse(
      Deno.readTextFileSync(await recordPath(dataDir, url)),
    );
    const { key, etag, freshUntil } = record;
    if (record.url !== url || typeof key !== "string" || typeof freshUntil !== "number") {
      return undefined;
    }
    return { url, key, freshUntil, ...typeof etag === "string" && { etag } };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Writes the record of a URL. Losing it in a crash costs one download, so it is not synced. */
export async function writeRemoteRecord(dataDir: string, record: RemoteRecord): Promise<void> {
  const path = await recordPath(dataDir, record.url);
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  replaceFile(path, JSON.stringify(record), { mode: 0o640, durable: false });
}

/**
 * Until when an answer is fresh (RFC 9111 §4.2.1), as rkt reads it: `max-age`, unless `no-store` or
 * `no-cache` says that it never is.
 *
 * @returns milliseconds since 1970; `now` where the answer is to be checked each time
 */
export function freshUntil(cacheControl: string | null, now: number): number {
  const directives = (cacheControl ?? "").toLowerCase().split(",").map((part) => part.trim());
  if (directives.some((each) => /^no-(?:store|cache)\b/.test(each))) return now;
  const age = directives.map((each) => /^max-age="?(\d{1,10})"?$/.exec(each)?.[1]);
  return now + Number(age.find((seconds) => seconds !== undefined) ?? 0) * 1000;
}
