import { readImageInfo } from "../store/image_info.ts";
import type { StoredImage } from "../store/stored_image.ts";
import type { FetchSession } from "./fetch_session.ts";

/**
 * Records that an image came into the store, with what it was verified by.
 *
 * @param source where it came from
 * @param otherwise what it was verified by, where nobody's signature was
 * @throws {Failure} where it has to be recorded, and can't be
 */
export async function recordFetch(
  { settings: { record, store } }: FetchSession,
  { key, manifest }: StoredImage,
  source: string,
  otherwise: "its digest" | "nothing",
): Promise<void> {
  if (record === undefined) return;
  const { fetchEvent } = await import("../audit/events.ts");
  const { imageId = key, signers } = readImageInfo(store.dataDir, key);
  await record(fetchEvent({
    name: manifest.name,
    imageId,
    source,
    signers: signers.map(({ fingerprint }) => fingerprint),
    otherwise,
  }));
}
