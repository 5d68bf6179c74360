/** The mirrors of an image that a Metalink document names, as a source of bytes. */
import { Failure } from "../../failure.ts";
import { getSmall } from "../../http/http_client.ts";
import { rangeGetter } from "./ranges.ts";
import type { FetchSession } from "../fetch_session.ts";
import { parseMetalink } from "./metalink.ts";
import { MirrorSource } from "./mirror_source.ts";

/** Bytes of a document at most: 100,000 digests. */
export const MOST_DOCUMENT = 16 * 2 ** 20;

/**
 * Opens the mirrors of a document. To be disposed of.
 *
 * @throws {Failure}
 */
export async function openMirrors(
  session: FetchSession,
  url: string,
  progress: (received: number, total: number) => void,
): Promise<MirrorSource> {
  const { bytes, status, statusText } = await getSmall(session.client, url, MOST_DOCUMENT);
  if (status !== 200) throw new Failure(`${url}: ${status} ${statusText}`.trim());
  const file = parseMetalink(new TextDecoder().decode(bytes), url);
  return new MirrorSource(file, {
    name: url,
    getRange: rangeGetter(session.client),
    progress,
    dropped: (_, why) => session.settings.message(`warning: ${why}; this mirror is asked no more`),
  });
}
