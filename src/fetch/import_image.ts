/** Taking an image into the store, from wherever its bytes come. */
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { countedSource } from "../aci/bytes/counted_source.ts";
import type { ByteSource } from "../aci/bytes/source.ts";
import type { ImageIdPrefix } from "../appc/image_id.ts";
import type { ImageManifest } from "../appc/image_manifest.ts";
import type { ImageName } from "../appc/image_name.ts";
import { labelValue } from "../appc/label.ts";
import { Failure } from "../failure.ts";
import type { Signer } from "../store/image_info.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { decryptedImage } from "./decrypt_image.ts";
import { EarlyVerdict } from "./early_verdict.ts";
import type { FetchSession } from "./fetch_session.ts";
import { recordFetch } from "./record_fetch.ts";
import type { SignedImage } from "./signed_image.ts";

/** What an image has to be. */
export interface Expected {
  /** The name and labels that were asked for. */
  readonly image?: ImageName;
  readonly id?: ImageIdPrefix;
  /** Bytes, as transferred. */
  readonly size?: number;
}

/** Where an image comes from, and what it has to be. */
export interface Arrival {
  /** A path or URL. */
  readonly location: string;
  readonly expected: Expected;
  /** Where it comes from, where that is another place; for records. */
  readonly source?: string;
  /** The URL of what decrypts it, as its page says. */
  readonly secret?: string;
}

/** Reads an image into the store: all that it has to be is checked before any of it is visible. */
export async function importImage(
  session: FetchSession,
  source: ByteSource,
  judge: SignedImage | undefined,
  { location, expected, source: origin, secret }: Arrival,
): Promise<StoredImage> {
  const { store, message } = session.settings;
  const watched = judge?.watched(source) ?? source;
  const counted = countedSource(watched);
  const version = labelValue(expected.image?.labels ?? [], "version");
  const verify = async (read: { imageId: string; manifest: ImageManifest }): Promise<Signer[]> => {
    const signers = await judge?.verify(read.manifest) ?? [];
    checkIdentity(location, read.manifest, expected);
    checkContent(location, read.imageId, counted.size(), expected);
    if (signers.length > 0) message("signature verified:");
    for (const signer of signers) message(`  ${signer.identity || signer.fingerprint}`);
    return signers;
  };
  try {
    using gated = judge && new EarlyVerdict(
      counted.source,
      { knowsName: expected.image !== undefined, verify: (manifest) => judge.verify(manifest) },
      store.dataDir,
    );
    const plain = await decryptedImage(session, gated ?? counted.source, secret);
    const image = await store.importAci(plain, {
      verify,
      maxBytes: session.settings.maxSize,
      ...expected.image !== undefined && version === undefined && { latest: true },
      // Read after `verify`: a deferred signature is there only then.
      get signature() {
        return judge?.text;
      },
    });
    const from = origin ??
      (/^(?:\/|https?:)/.test(location) ? location : `${workingDirectory()}${location}`);
    const otherwise = expected.id === undefined ? "nothing" : "its digest";
    await recordFetch(session, image, from, otherwise);
    return image;
  } catch (error) {
    if (error instanceof ArchiveError) await blameSignature(counted.source, judge);
    throw error;
  }
}

/**
 * An archive that is damaged was most often tampered with or badly transferred. The signature tells,
 * so the rest is read for it: a bad signature is the better reason for a refusal.
 */
async function blameSignature(source: ByteSource, judge: SignedImage | undefined): Promise<void> {
  if (judge === undefined) return;
  while (await source.read() !== undefined);
  await judge.verify(undefined);
}

/** With a slash behind; empty where it can't be named: it is gone, or its name is no UTF-8. */
function workingDirectory(): string {
  try {
    return `${Deno.cwd()}/`;
  } catch {
    return "";
  }
}

/** Checks that an image is the one that was asked for. */
export function checkIdentity(what: string, manifest: ImageManifest, { image }: Expected): void {
  if (image === undefined) return;
  if (manifest.name !== image.name) {
    throw new Failure(
      `${what}: its manifest says that it is ${JSON.stringify(manifest.name)}, ` +
        `but ${JSON.stringify(image.name)} was asked for`,
    );
  }
  for (const { name, value } of image.labels) {
    const found = labelValue(manifest.labels, name);
    if (found === value) continue;
    const has = found === undefined ? `has no label "${name}"` : `has ${name}=${found}`;
    throw new Failure(`${what}: its manifest ${has}, but ${name}=${value} was asked for`);
  }
}

function checkContent(what: string, imageId: string, size: number, expected: Expected): void {
  if (expected.id !== undefined && !imageId.startsWith(expected.id)) {
    throw new Failure(`${what}: its ID is ${imageId}, but ${expected.id} was asked for`);
  }
  if (expected.size !== undefined && size !== expected.size) {
    throw new Failure(`${what}: has ${size} bytes, but ${expected.size} were asked for`);
  }
}
