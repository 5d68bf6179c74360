/**
 * A new version of an image by what differs from the versions that the store has. The image ID vouches for the bytes, and a
 * signature over the ID for the image: that of the file is over bytes which are not fetched. Whatever is wrong with index,
 * pieces or that signature is no reason to do without the image: the whole file is fetched then.
 */
import {
  chunkDigester,
  type ChunkIndex,
  CHUNKS,
  ID_SIGNATURE,
  idText,
  MOST_INDEX,
  parseChunkIndex,
  PIECES,
} from "../../aci/chunks/chunk_index.ts";
import { bytesSource } from "../../aci/bytes/source.ts";
import { parseImageId, parseImageIdPrefix, storeKey } from "../../appc/image_id.ts";
import { labelValue } from "../../appc/label.ts";
import { Failure } from "../../failure.ts";
import { getSmall } from "../../http/http_client.ts";
import { readImageInfo } from "../../store/image_info.ts";
import { imagePath } from "../../store/layout.ts";
import { openIndex } from "../../store/open_index.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import type { FetchSession } from "../fetch_session.ts";
import { type Arrival, importImage } from "../import_image.ts";
import { unlessRefused } from "../refusal.ts";
import { rangeGetter } from "../mirrors/ranges.ts";
import { openSignature, type SignedImage } from "../signed_image.ts";
import { whyUntrusted } from "../trust/trusted_image.ts";
import { BaseChunks } from "./base_chunks.ts";
import { DeltaSource, FREE, RATIO } from "./delta_source.ts";

/** Versions of an image that are looked into: the newest ones. */
const MOST_BASES = 4;

/** An image of whose chunks there is an index. */
export interface ChunkedArrival extends Arrival {
  /** The URL beside which index, pieces and signature are. */
  readonly chunks: string;
}

/**
 * Fetches what the store lacks of an image.
 *
 * @returns undefined where the whole image has to be fetched
 */
export async function fetchDelta(
  session: FetchSession,
  arrival: ChunkedArrival,
): Promise<StoredImage | undefined> {
  const { expected, chunks } = arrival;
  const { store } = session.settings;
  // Who asks by name knows before whether there is anything to save.
  if (expected.image !== undefined && basesOf(store.dataDir, expected.image.name).length === 0) {
    return undefined;
  }
  return await unlessRefused(session, "the whole image is fetched", async () => {
    const index = await indexOf(session, chunks);
    if (index === undefined) return undefined;
    const known = store.read(storeKey(parseImageId(index.imageId)));
    const paths = known === undefined ? basesOf(store.dataDir, index.name) : [known.blobPath];
    if (paths.length === 0) return undefined;
    const judge = await openIdJudge(session, chunks, index, expected.image?.name);
    if (known !== undefined && await isSettled(session, known, expected)) return known;
    const wanted = new Set(index.chunks.map(({ digest }) => digest));
    using base = await BaseChunks.of(paths, wanted);
    const most = FREE + RATIO * (base.size + index.piecesSize);
    if (index.size > most) {
      throw new Failure(`${chunks}${CHUNKS}: its image unpacks to more than an image should`);
    }
    return await assembled(session, arrival, index, base, judge);
  });
}

/** Whether nothing would change where an image were imported once more. */
async function isSettled(
  { settings }: FetchSession,
  known: StoredImage,
  { image }: Arrival["expected"],
): Promise<boolean> {
  if (await whyUntrusted(known, settings) !== undefined) return false;
  const isLatest = image !== undefined && labelValue(image.labels, "version") === undefined;
  return !isLatest || readImageInfo(settings.store.dataDir, known.key).latest;
}

/** The archives of the newest images of a name. Those of OCI images have no archive. */
function basesOf(dataDir: string, name: string): string[] {
  using index = openIndex(dataDir);
  return index.keysOfName(name, false).filter((key) => key.startsWith("sha512-"))
    .slice(0, MOST_BASES).map((key) => imagePath(dataDir, "blob", key));
}

/** Undefined where there is none: a page may speak of images that have no index, too. */
async function indexOf(
  { client, settings }: FetchSession,
  chunks: string,
): Promise<ChunkIndex | undefined> {
  const url = beside(chunks, CHUNKS);
  const { status, statusText, bytes } = await getSmall(client, url, MOST_INDEX);
  if (status === 404 || status === 410) return undefined;
  if (status !== 200) throw new Failure(`${url}: ${status} ${statusText}`.trim());
  const index = parseChunkIndex(bytes, url);
  const { maxSize } = settings;
  if (maxSize === undefined || index.size <= maxSize) return index;
  throw new Failure(`${url}: the image has ${index.size} bytes, and --max-size is ${maxSize}`);
}

/** What judges the image by the signature over its ID; undefined where no signature is asked for. */
async function openIdJudge(
  session: FetchSession,
  chunks: string,
  { imageId }: ChunkIndex,
  name: string | undefined,
): Promise<SignedImage | undefined> {
  if (session.allows("image")) return undefined;
  const judge = await openSignature(session, chunks, beside(chunks, ID_SIGNATURE), name);
  using text = judge.watched(
    bytesSource(`the ID of ${chunks}`, new TextEncoder().encode(idText(imageId))),
  );
  while (await text.read() !== undefined);
  // Nothing is fetched for one who is not trusted, as far as that is known before the manifest.
  await judge.verify(undefined);
  return {
    get text() {
      return judge.text;
    },
    watched: (source) => source,
    verify: (manifest) => judge.verify(manifest),
  };
}

async function assembled(
  session: FetchSession,
  { location, expected, chunks }: ChunkedArrival,
  index: ChunkIndex,
  base: BaseChunks,
  judge: SignedImage | undefined,
): Promise<StoredImage> {
  const bar = (await session.progress()).start(location);
  try {
    using source = new DeltaSource(index, {
      name: location,
      pieces: beside(chunks, PIECES),
      base,
      digestOf: await chunkDigester(),
      getRange: rangeGetter(session.client),
      progress: bar.update,
    });
    const { image: wanted } = expected;
    const image = await importImage(session, source, judge, {
      location,
      // Bytes as transferred are those of the whole file.
      expected: {
        ...wanted !== undefined && { image: wanted },
        id: parseImageIdPrefix(index.imageId),
      },
    });
    session.settings.message(
      `${source.wanted} of ${index.piecesSize} bytes were fetched; the store had the rest`,
    );
    return image;
  } finally {
    bar.end();
  }
}

/** The URL of what lies beside an image. */
function beside(location: string, end: string): string {
  const url = new URL(location);
  url.pathname += end;
  return url.href;
}
