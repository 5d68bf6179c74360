/**
 * Finds the images that arguments stand for: in the store, or wherever they come from. On the way of `rkt run`: what is in
 * the store is found without loading anything of the network.
 */
import { isOciImageId } from "../appc/image_id.ts";
import { imageNameText } from "../appc/image_name.ts";
import { Failure } from "../failure.ts";
import type { StoredImage } from "../store/stored_image.ts";
import type { AskFiles } from "../trust/key_copies.ts";
import type { FetchSettings } from "./fetch_session.ts";
import type { WantedImage } from "./fetch_images.ts";
import { forThisHost } from "./host_labels.ts";
import { type ImageArgument, parseImageArgument } from "./image_argument.ts";
import type { PullPolicy } from "./pull_policy.ts";
import { requireTrusted, whyUntrusted } from "./trust/trusted_image.ts";

/** How to find images. */
export interface FindImageOptions extends FetchSettings {
  readonly pullPolicy: PullPolicy;
  /**
   * What is done where an image in the store was never verified, or by a key that is trusted no more: a run refuses it, a
   * fetch gets it anew.
   */
  readonly untrusted: "refuse" | "fetch";
  /** Whether what is found by a name is written down, so that it is found faster. Default: false. */
  readonly remember?: boolean;
  /** Who is asked for the files of keys; default: the file system. */
  readonly ask?: AskFiles;
}

/** An image as it is asked for. */
export interface ImageRequest {
  /** As on the command line, see {@linkcode parseImageArgument}. */
  readonly image: string;
  /** A file that holds the image's signature (`--signature`). */
  readonly signature?: string | undefined;
}

/**
 * Finds images and, with them, all that they depend on.
 *
 * @returns for each image, or why there is none: a {@linkcode Failure} that says why it can't be had or is not trusted
 */
export async function findImages(
  requests: readonly ImageRequest[],
  options: FindImageOptions,
): Promise<PromiseSettledResult<StoredImage>[]> {
  const found: PromiseSettledResult<WantedImage>[] = [];
  for (const request of requests) {
    found.push(...await Promise.allSettled([wanted(request, options)]));
  }
  const isThere = ({ stored }: WantedImage) => stored?.manifest.dependencies.length === 0;
  const missing = found.flatMap((each) =>
    each.status === "fulfilled" && !isThere(each.value) ? each.value : []
  );
  const fetched = missing.length === 0 ? [] : await fetchMissing(missing, options);
  return found.map((each) => {
    if (each.status === "rejected") return each;
    const { stored } = each.value;
    if (stored !== undefined && isThere(each.value)) return { status: "fulfilled", value: stored };
    return fetched[missing.indexOf(each.value)] ?? rejected("it was not fetched");
  });
}

function rejected(why: string): PromiseRejectedResult {
  return { status: "rejected", reason: new TypeError(why) };
}

async function fetchMissing(missing: readonly WantedImage[], options: FindImageOptions) {
  const { fetchImages } = await import("./fetch_images.ts");
  return await fetchImages(missing, { ...options, trust: options });
}

async function wanted(
  { image, signature }: ImageRequest,
  options: FindImageOptions,
): Promise<WantedImage> {
  const argument = parseImageArgument(image, exists);
  const stored = await findStored(argument, options);
  return { argument, signature, stored };
}

/** Looks where nothing has to be fetched; throws where nothing may be. */
async function findStored(
  image: ImageArgument,
  options: FindImageOptions,
): Promise<StoredImage | undefined> {
  const stored = await inStore(image, options);
  if (stored === undefined || isPinned(image, stored)) return stored;
  const { pullPolicy, untrusted } = options;
  if (image.kind !== "id" && untrusted === "fetch" && pullPolicy !== "never") {
    return await whyUntrusted(stored, options) === undefined ? stored : undefined;
  }
  await requireTrusted(stored, options);
  return stored;
}

async function inStore(
  image: ImageArgument,
  { store, pullPolicy, remember }: FindImageOptions,
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
  const stored = await store.resolve(forThisHost(image.image), remember);
  if (stored === undefined && pullPolicy === "never") {
    throw new Failure(
      `image ${imageNameText(forThisHost(image.image))} is not in the store, ` +
        "and --pull-policy=never keeps it from being fetched",
    );
  }
  return stored;
}

/** Whether the argument has the digest of an OCI image's manifest: whoever gives it has said which image is trusted. */
function isPinned(image: ImageArgument, { key }: StoredImage): boolean {
  if (!isOciImageId(key)) return false;
  return image.kind === "registry"
    ? image.text.includes("@sha")
    : image.kind === "id" && image.id === key;
}

function exists(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
