/** Parts of files by HTTP (RFC 9110 §14). */
import { Failure } from "../../failure.ts";
import type { HttpClient } from "../../http/http_client.ts";

/** A range of a file, as a server sends it. */
export interface RangeReply {
  read(): Promise<Uint8Array | undefined>;
  cancel(): void;
}

/**
 * Asks for a range.
 *
 * @param last the last byte of it
 * @throws {Failure} where the server does not answer with this range of a file of this size
 */
export type GetRange = (
  url: string,
  first: number,
  last: number,
  size: number,
) => Promise<RangeReply>;

/** Asks by a client. */
export function rangeGetter(client: HttpClient): GetRange {
  return async (url, first, last, size) => {
    const reply = await client.get(url, { range: `bytes=${first}-${last}` });
    const range = reply.headers.get("content-range");
    const isWhole = reply.status === 200 && first === 0 && last === size - 1;
    if (isWhole || (reply.status === 206 && range === `bytes ${first}-${last}/${size}`)) {
      return reply;
    }
    reply.cancel();
    const why = reply.status === 200
      ? "it sends no ranges"
      : reply.status === 206
      ? `it has another range, ${JSON.stringify(range)}, than ${first}-${last}/${size}`
      : `${reply.status} ${reply.statusText}`.trim();
    throw new Failure(`${url}: ${why}`);
  };
}
