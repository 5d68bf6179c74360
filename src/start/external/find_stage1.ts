/** The stage1 image that flags or the configuration ask for: found, fetched and verified like any other image. */
import { parseImageName } from "../../appc/image_name.ts";
import { configuredPaths } from "../../config/settings.ts";
import { Failure } from "../../failure.ts";
import { forThisHost } from "../../fetch/host_labels.ts";
import type { PullPolicy } from "../../fetch/pull_policy.ts";
import type { Store } from "../../store/store.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { findImages } from "../find_images.ts";
import type { HostOptions } from "../host_options.ts";
import type { Stage1Flag, Stage1Request } from "../request.ts";

/** Where images for `--stage1-from-dir` are, where `paths.d` says nothing. */
export const DEFAULT_STAGE1_IMAGES = "/usr/lib/rkt/stage1-images";

/**
 * Finds the image.
 *
 * @throws {Failure} where there is none, or it is not trusted
 */
export async function findStage1(
  store: Store,
  request: Stage1Request,
  host: HostOptions,
  pullPolicy: PullPolicy,
): Promise<StoredImage> {
  if ("flag" in request) return await byFlag(store, request, host, pullPolicy);
  const { name, version, location } = request;
  const image = name === undefined ? undefined : `${name}:${version}`;
  const stored = image === undefined ? undefined : await store.resolve(
    forThisHost(parseImageName(image)),
  );
  const text = stored === undefined ? location ?? image : image;
  if (text === undefined) throw new TypeError("a configured stage1 has a name or a location");
  return await find(store, text, host, pullPolicy);
}

async function byFlag(
  store: Store,
  { flag, word }: Stage1Flag,
  host: HostOptions,
  pullPolicy: PullPolicy,
): Promise<StoredImage> {
  const refuse = (what: string) => new Failure(`--${flag}: ${JSON.stringify(word)} is ${what}`);
  if (word === "") throw refuse("empty");
  switch (flag) {
    case "stage1-name":
      return await find(store, word, host, pullPolicy);
    case "stage1-url":
      if (!/^[a-z]+:\/\//i.test(word)) throw refuse("no URL");
      return await find(store, word, host, pullPolicy);
    case "stage1-hash":
      if (!/^sha(512|256)-/.test(word)) throw refuse("no image ID, which begins with sha512-");
      return await find(store, word, host, pullPolicy);
    case "stage1-path":
      return await find(store, word.startsWith("/") ? word : `./${word}`, host, pullPolicy);
    case "stage1-from-dir":
      if (/^\.{0,2}$|\//.test(word)) throw refuse("not the name of a file");
      return await fromDirectory(store, word, host, pullPolicy);
  }
}

async function find(
  store: Store,
  image: string,
  host: HostOptions,
  pullPolicy: PullPolicy,
): Promise<StoredImage> {
  const [found] = await findImages(store, [{ image }], host, { pullPolicy });
  if (found === undefined) throw new TypeError("an image was asked for, and none found");
  return found;
}

/**
 * An image out of the directory that the administrator keeps for them. It needs no signature: who may write there may write
 * rkt's configuration, too.
 */
async function fromDirectory(
  store: Store,
  name: string,
  host: HostOptions,
  pullPolicy: PullPolicy,
): Promise<StoredImage> {
  const directory = configuredPaths(host.config).stage1Images ?? DEFAULT_STAGE1_IMAGES;
  const file = `${directory}/${name}`;
  for (const path of [directory, file]) checkOwner(path);
  const { fetchSettings } = host;
  const trusting: HostOptions = {
    ...host,
    fetchSettings: (of) => {
      const settings = fetchSettings(of);
      return { ...settings, insecure: new Set([...settings.insecure, "image"]) };
    },
  };
  return await find(store, file, trusting, pullPolicy);
}

/** Refuses what somebody else than root can write. */
function checkOwner(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(
      `--stage1-from-dir: there is no ${path}; paths.d says where stage1 images are`,
    );
  }
  if (info.uid === 0 && !info.isSymlink && ((info.mode ?? 0) & 0o022) === 0) return;
  throw new Failure(
    `--stage1-from-dir: ${path} is not root's alone to write; use --stage1-path, with a signature`,
  );
}
