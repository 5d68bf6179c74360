/** Fetching one image from where it is: by name, URL or file. */
import { readManifestText } from "../aci/aci_reader.ts";
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { fileSource } from "../aci/bytes/source.ts";
import { AppcError } from "../appc/error.ts";
import { configuredMirrors } from "../config/mirrors.ts";
import { type ImageManifest, parseImageManifest } from "../appc/image_manifest.ts";
import type { ImageName } from "../appc/image_name.ts";
import {
  discoverImage,
  discoveryFailure,
  type ImageEndpoint,
  templatesOf,
} from "../discovery/discover.ts";
import { Failure } from "../failure.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { ImageChanged, startDownload } from "./download.ts";
import { type FetchSession, pagesBy } from "./fetch_session.ts";
import { fetchOci } from "./fetch_oci.ts";
import { forThisHost } from "./host_labels.ts";
import {
  CHUNKS,
  type ImageArgument,
  METALINK,
  signatureLocation,
  TORRENT,
} from "./image_argument.ts";
import { type Arrival, checkIdentity, type Expected, importImage } from "./import_image.ts";
import type { PullPolicy } from "./pull_policy.ts";
import { unlessRefused } from "./refusal.ts";
import { readRemoteRecord, writeRemoteRecord } from "./remote_record.ts";
import { MissingSignature, openSignature, type SignedImage } from "./signed_image.ts";
import { whyUntrusted } from "./trust/trusted_image.ts";
import { offerDiscoveredKeys } from "./trusted_keys.ts";

/** How often an image is fetched from the beginning, when it changes or can't be resumed. */
const MAX_STARTS = 5;

/** What to fetch. */
interface Request extends Arrival {
  readonly signature: string;
  readonly pullPolicy: PullPolicy;
  /** The URL beside which there is an index of the image's chunks, where there is one. */
  readonly chunks?: string;
  /** Where it is, too. */
  readonly mirrors?: readonly ImageEndpoint[];
  /** The URL of its torrent, or a magnet link. */
  readonly torrent?: string;
}

/** How to fetch what an argument stands for. */
export interface FetchOptions {
  readonly pullPolicy: PullPolicy;
  readonly signature?: string;
}

/** Fetches the image that an argument stands for, without what it depends on. */
export function fetchArgument(
  session: FetchSession,
  argument: ImageArgument,
  { pullPolicy, signature }: FetchOptions,
): Promise<StoredImage> {
  const beside = (location: string): Request => ({
    location,
    signature: signature ?? signatureLocation(location),
    expected: {},
    pullPolicy,
  });
  switch (argument.kind) {
    case "file":
      return fetchFile(session, beside(argument.path));
    case "url":
      return fetchWebPlace(session, argument.url, beside);
    case "transport":
      return fetchByTransport(session, argument.url, beside(argument.url), signature);
    case "name":
      return fetchByName(session, forThisHost(argument.image), {}, pullPolicy, signature);
    case "registry":
    case "archive":
      return fetchOci(session, argument, signature);
    case "id":
      throw new Failure(`image ${argument.id} is not in the store`);
  }
}

/** A URL of an image, of a document that names its mirrors, or of the index of its chunks. */
function fetchWebPlace(
  session: FetchSession,
  url: string,
  beside: (location: string) => Request,
): Promise<StoredImage> {
  const { pathname } = new URL(url);
  if (pathname.endsWith(METALINK)) return fetchMirrored(session, beside(url));
  if (pathname.endsWith(TORRENT)) return fetchTorrent(session, url, beside(url));
  if (!pathname.endsWith(CHUNKS)) return fetchUrl(session, beside(url));
  const image = new URL(url);
  image.pathname = pathname.slice(0, -CHUNKS.length);
  return fetchUrl(session, { ...beside(image.href), chunks: image.href });
}

/** Fetches an image by its name. */
export async function fetchByName(
  session: FetchSession,
  image: ImageName,
  expected: Expected,
  pullPolicy: PullPolicy,
  signature: string | undefined,
): Promise<StoredImage> {
  const discovered = await discoverImage(image, {
    getPage: pagesBy(session.client),
    allowHttp: session.allows("http"),
  });
  const [endpoint, ...mirrors] = discovered.found;
  if (endpoint === undefined) throw discoveryFailure(image, discovered);
  if (!session.allows("image")) await offerDiscoveredKeys(session, image.name);
  const [chunks] = templatesOf(discovered, image, "ac-discovery-chunks", "aci");
  const [torrent] = templatesOf(discovered, image, "ac-discovery-torrent", "aci.torrent");
  const [secret] = templatesOf(discovered, image, "ac-discovery-keys", "aci.key");
  return await fetchUrl(session, {
    location: endpoint.aci,
    signature: signature ?? endpoint.asc,
    expected: { ...expected, image },
    pullPolicy,
    mirrors: mirrors.map(({ aci, asc }) => ({ aci, asc: signature ?? asc })),
    // A signature that is given is over the file.
    ...chunks !== undefined && signature === undefined && { chunks },
    ...torrent !== undefined && { torrent },
    ...secret !== undefined && { secret },
  });
}

/** Fetches a URL, once for all who want it at the same time. */
async function fetchUrl(session: FetchSession, request: Request): Promise<StoredImage> {
  const { underWay } = session;
  const other = underWay.get(request.location);
  const fetching = other ?? fetchRemote(session, request);
  if (other === undefined) underWay.set(request.location, fetching);
  const image = await fetching;
  // It may come from the store, or be fetched for somebody who expected something else.
  const { id } = request.expected;
  checkIdentity(request.location, image.manifest, request.expected);
  if (id !== undefined && !id.startsWith(image.key) && !image.key.startsWith(id)) {
    throw new Failure(`${request.location}: its ID is ${image.key}, but ${id} was asked for`);
  }
  return image;
}

async function fetchRemote(session: FetchSession, request: Request): Promise<StoredImage> {
  const { store } = session.settings;
  const { location, pullPolicy } = request;
  const record = await readRemoteRecord(store.dataDir, location);
  const stored = record === undefined ? undefined : store.read(record.key);
  // What came once without a signature, or by a key that is trusted no more, is as good as not there.
  const known = stored && await whyUntrusted(stored, session.settings) === undefined
    ? stored
    : undefined;
  const fresh = record !== undefined && (pullPolicy !== "update" || record.freshUntil > Date.now());
  if (known !== undefined && fresh) return known;
  if (pullPolicy === "never") {
    throw new Failure(
      stored === undefined
        ? `image ${location} is not in the store, and --pull-policy=never keeps it from being fetched`
        : `image ${location} is in the store, but it is not trusted, and --pull-policy=never keeps ` +
          "it from being fetched",
    );
  }
  if (request.chunks !== undefined) {
    const { fetchDelta } = await import("./delta/fetch_delta.ts");
    const image = await fetchDelta(session, { ...request, chunks: request.chunks });
    if (image !== undefined) return image;
  }
  const brought = known === undefined ? await triedTorrent(session, request) : undefined;
  if (brought !== undefined) return brought;
  const mirrors = mirrorsOf(session, request);
  if (mirrors.length > 0 && known === undefined) {
    const { fetchFromMirrors } = await import("./mirrors/fetch_mirrors.ts");
    const places = [{ aci: location, asc: request.signature }, ...mirrors];
    return await fetchFromMirrors(session, {
      ...request,
      places,
      alone: ({ aci, asc }) =>
        downloadUnchanged(session, { ...request, location: aci, signature: asc }, undefined),
    });
  }
  return await downloadUnchanged(session, request, known, record?.etag);
}

/** The places where an image is besides its own: those of its page, and those of `mirrors.d`. */
function mirrorsOf(
  { settings }: FetchSession,
  { location, signature, mirrors = [] }: Request,
): readonly ImageEndpoint[] {
  const own = signatureLocation(location);
  const configured = configuredMirrors(settings.config, location).map((aci) => ({
    aci,
    asc: signature === own ? signatureLocation(aci) : signature,
  }));
  return [...mirrors, ...configured];
}

/** Downloads an image, from the beginning where it changes meanwhile. */
async function downloadUnchanged(
  session: FetchSession,
  request: Request,
  known: StoredImage | undefined,
  etag?: string,
): Promise<StoredImage> {
  for (let start = 1;; start++) {
    try {
      return await downloadImage(session, request, known, etag);
    } catch (error) {
      if (!(error instanceof ImageChanged)) throw error;
      if (start >= MAX_STARTS) throw new Failure(error.message, 254, { cause: error });
    }
  }
}

async function downloadImage(
  session: FetchSession,
  request: Request,
  known: StoredImage | undefined,
  etag: string | undefined,
): Promise<StoredImage> {
  const { store } = session.settings;
  const { location, expected } = request;
  const judge = await openJudge(session, request);
  const knownEtag = known === undefined ? undefined : etag;
  const bar = (await session.progress()).start(location);
  try {
    const start = await startDownload(session.client, location, {
      dataDir: store.dataDir,
      progress: bar.update,
      ...knownEtag !== undefined && { knownEtag },
      ...expected.size !== undefined && { maxBytes: expected.size },
    });
    if (start.unchanged) {
      if (known === undefined) throw new Failure(`${location}: 304 Not Modified, but of what?`);
      const { key } = known;
      const { freshUntil } = start;
      await writeRemoteRecord(store.dataDir, {
        url: location,
        key,
        freshUntil,
        ...etag !== undefined && { etag },
      });
      return known;
    }
    using download = start.download;
    const image = await importImage(session, download, judge, request);
    await writeRemoteRecord(store.dataDir, {
      url: location,
      key: image.key,
      freshUntil: download.freshUntil,
      ...download.etag !== undefined && { etag: download.etag },
    });
    return image;
  } finally {
    bar.end();
  }
}

/** What mirrors send is read as it comes. */
async function fetchMirrored(session: FetchSession, request: Request): Promise<StoredImage> {
  refuseNever(request);
  const judge = await openJudge(session, request);
  const { openMirrors } = await import("./mirrors/fetch_metalink.ts");
  const bar = (await session.progress()).start(request.location);
  try {
    using source = await openMirrors(session, request.location, bar.update);
    return await importImage(session, source, judge, request);
  } finally {
    bar.end();
  }
}

function refuseNever({ location, pullPolicy }: Request): void {
  if (pullPolicy !== "never") return;
  throw new Failure(`image ${location}: --pull-policy=never keeps it from being fetched`);
}

/** What a transport brings is read like a file, by the name of where it comes from. */
async function fetchByTransport(
  session: FetchSession,
  url: string,
  request: Request,
  signature: string | undefined,
): Promise<StoredImage> {
  refuseNever(request);
  const { bringImage } = await import("./transport/fetched_file.ts");
  using image = await bringImage(session, url, signature);
  try {
    return await fetchFile(session, {
      ...request,
      location: image.path,
      signature: image.signature,
      source: url,
    });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(image.named(error.message), error.exitCode, { cause: error });
  }
}

/** What peers have brought is read like a file; the signature is where the image would have it. */
async function fetchTorrent(
  session: FetchSession,
  torrent: string,
  request: Request,
): Promise<StoredImage> {
  refuseNever(request);
  const { bringImage, bringTorrent } = await import("./transport/fetched_file.ts");
  using image = torrent.startsWith("magnet:")
    ? await bringImage(session, torrent, request.signature)
    : await bringTorrent(session, torrent);
  try {
    return await fetchFile(session, { ...request, location: image.path, source: torrent });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(image.named(error.message), error.exitCode, { cause: error });
  }
}

/** By the torrent that a page names, where the administrator has put a transport for it. */
async function triedTorrent(
  session: FetchSession,
  request: Request,
): Promise<StoredImage | undefined> {
  const { torrent } = request;
  if (torrent === undefined) return undefined;
  const { findTransport } = await import("./transport/program.ts");
  const { config, store } = session.settings;
  return await unlessRefused(session, "the image is fetched from the web", async () => {
    const scheme = torrent.startsWith("magnet:") ? "magnet" : "torrent";
    if (findTransport(config, scheme) === undefined) return undefined;
    const image = await fetchTorrent(session, torrent, request);
    const { location: url } = request;
    await writeRemoteRecord(store.dataDir, { url, key: image.key, freshUntil: 0 });
    return image;
  });
}

/** A file is read, and its signature verified, each time. */
async function fetchFile(session: FetchSession, request: Request): Promise<StoredImage> {
  await verifyFirst(session, request);
  using source = fileSource(request.location);
  return await importImage(session, source, await openJudge(session, request), request);
}

/**
 * Verifies the signature of a file before anything of it is unpacked: a few bytes of somebody's may become gigabytes. It is
 * verified once more while it is read into the store, because it may be another file by then.
 */
async function verifyFirst(session: FetchSession, request: Request): Promise<void> {
  const judge = await openJudge(session, request);
  const { location } = request;
  // What can be read once only, such as a pipe, is judged at its end.
  if (judge === undefined || !isRegular(location)) return;
  let manifest: ImageManifest;
  try {
    manifest = parseImageManifest(await readManifestText(fileSource(location)));
  } catch (error) {
    // Damaged, or no image: the import says what is wrong with it, and with its signature.
    if (error instanceof ArchiveError || error instanceof AppcError) return;
    throw error;
  }
  using source = judge.watched(fileSource(location));
  while (await source.read() !== undefined);
  await judge.verify(manifest);
}

function isRegular(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function openJudge(
  session: FetchSession,
  { location, signature, expected }: Request,
): Promise<SignedImage> | undefined {
  if (session.allows("image")) return undefined;
  return openSignature(session, location, signature, expected.image?.name)
    .catch(async (error) => {
      if (error instanceof MissingSignature) await refuseMissing(session, location, error);
      throw error;
    });
}

/** Where a server has no signature, it may have no image either: then that is what is wrong. */
async function refuseMissing(session: FetchSession, url: string, cause: Error): Promise<void> {
  if (!/^https?:/.test(url)) return;
  const { status, statusText, cancel } = await session.client.get(url);
  cancel();
  if (status !== 404 && status !== 410) return;
  throw new Failure(`${url}: ${status} ${statusText}: there is no such image`, 254, { cause });
}
