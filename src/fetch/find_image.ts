/**
 * Finds the image that an argument stands for: in the store, or wherever it comes from. On the way of
 * `rkt run`: what is in the store is found without loading anything of the network.
 */
import { imageNameText } from "../appc/image_name.ts";
import { Failure } from "../failure.ts";
import type { StoredImage } from "../store/stored_image.ts";
import type { FetchSettings } from "./fetch_session.ts";
import { forThisHost } from "./host_labels.ts";
import { type ImageArgument, parseImageArgument } from "./image_argument.ts";
import type { PullPolicy } from "./pull_policy.ts";

/** How to find an image. */
export interface FindImageOptions extends FetchSettings {
  readonly pullPolicy: PullPolicy;
  /** A file that holds the image's signature (`--signature`). */
  readonly signature?: string;
}

/**
 * Finds an image and, with it, all images that it depends on.
 *
 * @param argument as on the command line, see {@linkcode parseImageArgument}
 * @throws {Failure} that says why there is none, or why it is not trusted
 */
export async function findImage(
  argument: string,
  options: FindImageOptions,
): Promise<StoredImage> {
  const image = parseImageArgument(argument, exists);
  const stored = await findStored(image, options);
  if (stored !== undefined && stored.manifest.dependencies.length === 0) return stored;
  const { FetchSession } = await import("./fetch_session.ts");
  const { fetchArgument, fetchDependencies } = await import("./fetch_image.ts");
  using session = new FetchSession(options);
  if (stored === undefined) return await fetchArgument(session, image, options);
  await fetchDependencies(session, stored, options.pullPolicy);
  return stored;
}

/** Finds several images at once; the first that can't be had is the one that is reported. */
export async function findImages(
  images: readonly string[],
  options: FindImageOptions,
): Promise<StoredImage[]> {
  const { FetchSession } = await import("./fetch_session.ts");
  const { fetchArgument, fetchDependencies } = await import("./fetch_image.ts");
  using session = new FetchSession(options);
  const outcomes = await Promise.allSettled(images.map(async (argument) => {
    const image = parseImageArgument(argument, exists);
    const stored = await findStored(image, options);
    if (stored === undefined) return await fetchArgument(session, image, options);
    await fetchDependencies(session, stored, options.pullPolicy);
    return stored;
  }));
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

/** Looks where nothing has to be fetched; throws where nothing may be. */
async function findStored(
  image: ImageArgument,
  { store, pullPolicy }: FindImageOptions,
): Promise<StoredImage | undefined> {
  if (image.kind === "id") {
    const stored = await store.resolve({ id: image.id });
    if (stored !== undefined) return stored;
    throw new Failure(`image ${image.id} is not in the store, and can only be fetched by its name`);
  }
  if (image.kind === "registry") {
    const { storedReference } = await import("./stored_reference.ts");
    return storedReference(store, image.text, pullPolicy);
  }
  if (image.kind !== "name" || pullPolicy === "update") return undefined;
  const stored = await store.resolve(forThisHost(image.image));
  if (stored === undefined && pullPolicy === "never") {
    throw new Failure(
      `image ${imageNameText(forThisHost(image.image))} is not in the store, ` +
        "and --pull-policy=never keeps it from being fetched",
    );
  }
  return stored;
}

function exists(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
