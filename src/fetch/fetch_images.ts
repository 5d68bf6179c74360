/** Fetching several images: first those that were named, then all that they depend on. */
import type { StoredImage } from "../store/stored_image.ts";
import { Dependencies, type DependencyOptions } from "./fetch_dependencies.ts";
import { fetchArgument } from "./fetch_image.ts";
import { FetchSession, type FetchSettings } from "./fetch_session.ts";
import type { ImageArgument } from "./image_argument.ts";

/** An image that was named: as it is in the store, or to be fetched. */
export interface WantedImage {
  readonly argument: ImageArgument;
  /** A file that holds its signature. */
  readonly signature?: string | undefined;
  readonly stored?: StoredImage | undefined;
}

/**
 * Brings images into the store, with all that they depend on. One that was named may be what another one depends on, so
 * dependencies come last. What can't be had is the outcome for that image, and leaves the others.
 */
export async function fetchImages(
  wanted: readonly WantedImage[],
  options: FetchSettings & DependencyOptions,
): Promise<PromiseSettledResult<StoredImage>[]> {
  using session = new FetchSession(options);
  const { pullPolicy } = options;
  const named = await Promise.allSettled(
    wanted.map(({ argument, signature, stored }) =>
      stored ?? session.work.run(() =>
        fetchArgument(session, argument, {
          pullPolicy,
          ...signature !== undefined && { signature },
        })
      )
    ),
  );
  const dependencies = new Dependencies(
    session,
    options,
    named.flatMap((each) => each.status === "fulfilled" ? each.value : []),
  );
  return await Promise.allSettled(named.map(async (outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    await dependencies.fetch(outcome.value);
    return outcome.value;
  }));
}
