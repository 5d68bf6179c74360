/** Putting an image with its signature into a site. */
import { readAci } from "../aci/aci_reader.ts";
import { fileSource } from "../aci/bytes/source.ts";
import { CHUNKS } from "../aci/chunks/chunk_index.ts";
import { type ImageManifest, parseImageManifest } from "../appc/image_manifest.ts";
import type { ImageName } from "../appc/image_name.ts";
import { labelValue } from "../appc/label.ts";
import { Failure } from "../failure.ts";
import { replaceFile, Replacement } from "../linux/atomic_file.ts";
import { exists } from "../linux/exists.ts";
import { type PublicKey } from "../trust/public_key.ts";
import {
  acceptableSigners,
  createSignedDigests,
  readSignatures,
  verifySigned,
} from "../trust/signature.ts";
import { metalinkText, PIECE, PieceDigests } from "./metalink.ts";
import { BESIDE, idSignature, publishChunks, removeChunks } from "./publish_chunks.ts";
import type { PublishedImage } from "./site.ts";
import { type Torrent, torrentBytes } from "./torrent.ts";

/** What the document with digests of an image's pieces is called. */
const METALINK = ".meta4";
/** What its torrent is called. */
const TORRENT = ".torrent";

/** What is published. */
export interface PublishOptions {
  readonly path: string;
  /** What it is called, where it can't be read because it is encrypted. */
  readonly named?: ImageName | undefined;
  /** The keys of the site: one of them has to have signed. */
  readonly keys: readonly PublicKey[];
  /** Whether another image of this name may be replaced. */
  readonly overwrite: boolean;
  /** Where the site is on the web, and its mirrors. */
  readonly urls: readonly string[];
  /** The tracker of its torrent, or none; undefined: there is no torrent. */
  readonly torrent: { readonly tracker: string | undefined } | undefined;
}

/**
 * Copies an image and its signature into a site, after the signature was verified.
 *
 * @throws {Failure} where the signature is none, or not good, or there is another image of that name
 */
export async function publishImage(
  directory: string,
  { path, named, keys, overwrite, urls, torrent }: PublishOptions,
): Promise<PublishedImage> {
  const { name, labels, id } = named === undefined ? await readImage(path) : {
    name: named.name,
    labels: Object.fromEntries(named.labels.map((label) => [label.name, label.value])),
    id: undefined,
  };
  const asc = readSignature(`${path}.asc`);
  const signatures = await readSignatures(asc, `${path}.asc`);
  const candidates = await acceptableSigners(path, signatures, keys);
  const idAsc = await idSignature(path, id, keys);
  const { os, arch, version } = labels;
  if (os === undefined || arch === undefined || version === undefined) {
    throw new Failure(`${path}: nobody finds it without the labels version, os and arch`);
  }
  const file = `${name}-${version}-${os}-${arch}.aci`;
  if (!/^[A-Za-z0-9][\w.~/:+-]*$/.test(file) || file.includes("..") || file.includes("//")) {
    throw new Failure(`${path}: ${JSON.stringify(file)} is no name for a file of a web server`);
  }
  const target = `${directory}/${file}`;
  Deno.mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true });
  const digests = await createSignedDigests(candidates.map(({ signature }) => signature));
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha512");
  const pieces = new PieceDigests(() => createHash("sha256"));
  const torrentPieces = new PieceDigests(() => createHash("sha1"));
  using image = new Replacement(target);
  let size = 0;
  using source = fileSource(path);
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    digests.update(chunk);
    hash.update(chunk);
    pieces.update(chunk);
    if (torrent !== undefined) torrentPieces.update(chunk);
    size += chunk.length;
    image.write(chunk);
  }
  const signers = await verifySigned(path, candidates, digests);
  const sha512 = hash.digest("hex");
  if (exists(target) && !overwrite && sha512 !== await digestOf(target)) {
    throw new Failure(`${target}: is another image; --overwrite replaces it`);
  }
  using signature = new Replacement(`${target}.asc`);
  signature.write(asc);
  // One behind the other: who fetches between finds a signature that does not fit, and tries again.
  signature.commit();
  image.commit();
  writeHints(target, {
    size,
    urls: urls.map((url) => `${url}/${encodeURI(file)}`),
    digests: pieces.end(),
    torrent: torrent && { ...torrent, digests: torrentPieces.end() },
  });
  const isChunked = await publishChunks({ target, name, imageId: id }, idAsc);
  return {
    name,
    labels,
    ...id !== undefined && { id },
    ...{ file, size, sha512, signers: signers.map(({ fingerprint }) => fingerprint) },
    ...isChunked && { chunks: `${file}${CHUNKS}` },
    ...torrent !== undefined && { torrent: `${file}${TORRENT}` },
  };
}

/** What documents beside an image say of it. */
interface Hints {
  readonly size: number;
  /** Where the file is, and may be besides. */
  readonly urls: readonly string[];
  /** SHA-256 of its pieces. */
  readonly digests: readonly string[];
  /** SHA-1 of its pieces, and a tracker. */
  readonly torrent: Pick<Torrent, "digests" | "tracker"> | undefined;
}

/** Writes the Metalink document and the torrent beside an image. */
function writeHints(target: string, { size, urls, digests, torrent }: Hints): void {
  const name = target.slice(target.lastIndexOf("/") + 1);
  replaceFile(`${target}${METALINK}`, metalinkText({ name, size, urls, digests }));
  writeTorrent(target, torrent && { name, size, pieceSize: PIECE, webSeeds: urls, ...torrent });
}

/** Writes the torrent beside an image; removes one that is of another image. */
function writeTorrent(target: string, torrent: Torrent | undefined): void {
  const path = `${target}${TORRENT}`;
  if (torrent === undefined) {
    if (exists(path)) Deno.removeSync(path);
    return;
  }
  using file = new Replacement(path);
  file.write(torrentBytes(torrent));
  file.commit();
}

/** Makes an image what is found without a version. */
export function publishLatest(directory: string, image: PublishedImage): PublishedImage {
  const { name, labels } = image;
  const file = `${name}-latest-${labels.os}-${labels.arch}.aci`;
  const isChunked = image.chunks !== undefined;
  if (!isChunked) removeChunks(`${directory}/${file}`);
  const hasTorrent = image.torrent !== undefined;
  if (!hasTorrent) writeTorrent(`${directory}/${file}`, undefined);
  const ends = [...isChunked ? BESIDE.toReversed() : [], ...hasTorrent ? [TORRENT] : []];
  for (const end of [...ends, METALINK, ".asc", ""]) {
    const temporary = `${directory}/${file}${end}.${crypto.randomUUID()}.tmp`;
    Deno.linkSync(`${directory}/${image.file}${end}`, temporary);
    Deno.renameSync(temporary, `${directory}/${file}${end}`);
    // Of two names of one file, rename(2) leaves both.
    if (exists(temporary)) Deno.removeSync(temporary);
  }
  return {
    ...image,
    file,
    ...isChunked && { chunks: `${file}${CHUNKS}` },
    ...hasTorrent && { torrent: `${file}${TORRENT}` },
  };
}

async function readImage(path: string) {
  const { imageId, manifestText } = await readAci(fileSource(path));
  const manifest: ImageManifest = parseImageManifest(manifestText);
  const labels: Record<string, string> = {};
  for (const { name } of manifest.labels) labels[name] = labelValue(manifest.labels, name) ?? "";
  return { name: manifest.name, labels, id: imageId };
}

function readSignature(path: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(`${path}: no such file; \`rkt image sign\` makes it`, 254, { cause: error });
  }
}

async function digestOf(path: string): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha512");
  using source = fileSource(path);
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    hash.update(chunk);
  }
  return hash.digest("hex");
}
