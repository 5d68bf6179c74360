/** A file of a web site that is sent by ranges. */
import type { SiteReply, SiteRequest } from "./web_site.ts";

/** How it is sent. */
export interface RangeManner {
  /** Whether a range that begins at this byte is sent with another byte in it. */
  readonly lie?: (first: number) => boolean;
  /** Told how many bytes of a body are sent. */
  readonly sent?: (bytes: number) => void;
}

/** Answers with what a request asks for of a file. */
export const ranges =
  (content: Uint8Array, { lie = () => false, sent = () => {} }: RangeManner = {}) =>
  ({ headers }: SiteRequest): SiteReply => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "") ?? [];
    const [first, last] = from === undefined || to === undefined
      ? [0, content.length - 1]
      : [Number(from), Number(to)];
    const body = content.slice(first, last + 1);
    if (lie(first)) {
      body[Math.floor(body.length / 2)] = (body[Math.floor(body.length / 2)] ?? 0) ^ 1;
    }
    sent(body.length);
    if (from === undefined) return { body };
    const range = `bytes ${first}-${last}/${content.length}`;
    return { status: 206, headers: { "content-range": range }, body };
  };
