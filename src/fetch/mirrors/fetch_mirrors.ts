/**
 * An image that several servers have: all are asked at once, each for other pieces. Where they contradict each other, or what
 * they send together is not what was signed, they are asked one after the other, and those that lie are named.
 */
import type { ImageEndpoint } from "../../discovery/discover.ts";
import { Failure } from "../../failure.ts";
import { getSmall } from "../../http/http_client.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import type { FetchSession } from "../fetch_session.ts";
import { METALINK } from "../image_argument.ts";
import { type Arrival, importImage } from "../import_image.ts";
import { isRefusal, unlessRefused } from "../refusal.ts";
import { writeRemoteRecord } from "../remote_record.ts";
import { openSignature, type SignedImage } from "../signed_image.ts";
import { MOST_DOCUMENT } from "./fetch_metalink.ts";
import { type Metalink, parseMetalink } from "./metalink.ts";
import { MirroredDownload } from "./mirrored_download.ts";

/** How to fetch it. */
export interface MirrorRequest extends Arrival {
  /** The best one first. */
  readonly places: readonly ImageEndpoint[];
  /** Fetches it from one of them alone. */
  readonly alone: (place: ImageEndpoint) => Promise<StoredImage>;
}

/** @throws {Failure} that says of each place why it did not do */
export async function fetchFromMirrors(
  session: FetchSession,
  request: MirrorRequest,
): Promise<StoredImage> {
  const { message } = session.settings;
  const otherwise = "the mirrors are asked one after the other";
  const image = await unlessRefused(session, otherwise, () => together(session, request));
  if (image !== undefined) return image;
  const reasons: string[] = [];
  for (const place of request.places) {
    try {
      return await request.alone(place);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      reasons.push(
        error.message.startsWith(place.aci) ? error.message : `${place.aci}: ${error.message}`,
      );
      message(`warning: ${reasons.at(-1)}`);
    }
  }
  throw new Failure(`no mirror has the image: ${reasons.join("; ")}`);
}

async function together(
  session: FetchSession,
  { location, expected, places, secret }: MirrorRequest,
): Promise<StoredImage> {
  const { settings, client } = session;
  const judge = session.allows("image")
    ? undefined
    : await firstJudge(session, location, places, expected.image?.name);
  const urls = places.map(({ aci }) => aci);
  const heads = urls.map((url) => headOf(session, url));
  const head = await firstOf(heads);
  if (expected.size !== undefined && head.size !== expected.size) {
    throw new Failure(`${head.url}: has ${head.size} bytes, but ${expected.size} were asked for`);
  }
  const pieces = await piecesOf(session, head);
  const bar = (await session.progress()).start(location);
  try {
    using source = await MirroredDownload.open(client, {
      file: { urls, size: head.size, ...pieces !== undefined && { pieces } },
      location,
      dataDir: settings.store.dataDir,
      ...head.etag !== undefined && { etag: `${head.url} ${head.etag}` },
      progress: bar.update,
      dropped: (why) => settings.message(`warning: ${why}; this mirror is asked no more`),
    });
    const image = await importImage(session, source, judge, {
      ...{ location, expected },
      ...secret !== undefined && { secret },
    });
    source.complete();
    // So that the next fetch asks whether it is still the same.
    const own = await Promise.race([heads[0], Promise.resolve(undefined)]).catch(() => undefined);
    await writeRemoteRecord(settings.store.dataDir, {
      ...{ url: location, key: image.key, freshUntil: 0 },
      ...own?.etag !== undefined && { etag: own.etag },
    });
    return image;
  } finally {
    bar.end();
  }
}

/** The first of the signatures that can be had. */
async function firstJudge(
  session: FetchSession,
  what: string,
  places: readonly ImageEndpoint[],
  name: string | undefined,
): Promise<SignedImage> {
  let first: unknown;
  for (const asc of new Set(places.map(({ asc }) => asc))) {
    try {
      return await openSignature(session, what, asc, name);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      first ??= error;
    }
  }
  throw first;
}

/** What a server says of a file before it sends it. */
interface Head {
  readonly url: string;
  readonly size: number;
  /** A strong one. */
  readonly etag?: string;
}

/** What the fastest server says. That one lies about the size is found out by the others, and by the signature. */
async function firstOf(heads: readonly Promise<Head>[]): Promise<Head> {
  try {
    return await Promise.any(heads);
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    const reasons = error.errors.map((each) => each instanceof Error ? each.message : `${each}`);
    throw new Failure(reasons.join("; "), 254, { cause: error });
  }
}

async function headOf({ client }: FetchSession, url: string): Promise<Head> {
  const { status, statusText, headers, cancel } = await client.get(url, { range: "bytes=0-0" });
  cancel();
  const [, total] = /^bytes 0-0\/(\d{1,15})$/.exec(headers.get("content-range") ?? "") ?? [];
  if (status !== 206 || total === undefined) {
    const why = status === 200 ? "it sends no ranges" : `${status} ${statusText}`.trim();
    throw new Failure(`${url}: ${why}`);
  }
  const etag = headers.get("etag");
  return { url, size: Number(total), ...etag?.startsWith('"') && { etag } };
}

/** Digests of the image's pieces, where a document beside it has them. */
async function piecesOf(
  { client, settings }: FetchSession,
  { url, size }: Head,
): Promise<Metalink["pieces"]> {
  const document = new URL(url);
  document.pathname += METALINK;
  try {
    const { status, bytes } = await getSmall(client, document.href, MOST_DOCUMENT);
    if (status !== 200) return undefined;
    const file = parseMetalink(new TextDecoder().decode(bytes), document.href);
    return file.size === size ? file.pieces : undefined;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    settings.message(`warning: ${error.message}`);
    return undefined;
  }
}
