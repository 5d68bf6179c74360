/** The index of a published image's chunks, by which others fetch what differs from the versions that they have. */
import { deflateRawSync } from "node:zlib";
import { fileSource } from "../aci/bytes/source.ts";
import {
  type Chunk,
  chunkDigester,
  chunkIndexBytes,
  CHUNKS,
  ID_SIGNATURE,
  idText,
  MOST_INDEX,
  PIECES,
} from "../aci/chunks/chunk_index.ts";
import { Chunker } from "../aci/chunks/chunker.ts";
import { decompressed } from "../aci/compression/compression.ts";
import { Failure } from "../failure.ts";
import { Replacement } from "../linux/atomic_file.ts";
import { exists } from "../linux/exists.ts";
import type { PublicKey } from "../trust/public_key.ts";
import {
  acceptableSigners,
  createSignedDigests,
  readSignatures,
  verifySigned,
} from "../trust/signature.ts";

/** What lies beside an image that others can fetch by what differs. */
export const BESIDE = [CHUNKS, PIECES, ID_SIGNATURE] as const;

/** An image in a site. */
export interface ChunkedImage {
  /** Its file in the site. */
  readonly target: string;
  readonly name: string;
  /** Absent where nobody here can read it: then it has no index. */
  readonly imageId: string | undefined;
}

/**
 * The signature over an image's ID that lies beside it, verified; undefined where there is none.
 *
 * @param imageId absent where nobody here can read it
 * @throws {Failure} where the signature is not good
 */
export async function idSignature(
  path: string,
  imageId: string | undefined,
  keys: readonly PublicKey[],
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const where = `${path}${ID_SIGNATURE}`;
  if (imageId === undefined || !exists(where)) return undefined;
  const asc = Deno.readFileSync(where);
  await verifyId(where, asc, imageId, keys);
  return asc;
}

/**
 * Writes the index of an image whose ID is signed; removes one that is not the image's.
 *
 * @param asc the signature over its ID
 * @returns whether there is an index
 */
export async function publishChunks(
  { target, imageId, name }: ChunkedImage,
  asc: Uint8Array | undefined,
): Promise<boolean> {
  if (imageId === undefined || asc === undefined) {
    removeChunks(target);
    return false;
  }
  using pieces = new Replacement(`${target}${PIECES}`);
  using signature = new Replacement(`${target}${ID_SIGNATURE}`);
  using index = new Replacement(`${target}${CHUNKS}`);
  signature.write(asc);
  const bytes = await cut({ target, name, imageId }, (bytes) => pieces.write(bytes));
  if (bytes.length > MOST_INDEX) {
    // Nobody would read it.
    removeChunks(target);
    return false;
  }
  index.write(bytes);
  // One behind the other: who fetches between finds that they don't fit, and fetches the whole image.
  for (const file of [pieces, signature, index]) file.commit();
  return true;
}

/** Removes what lies beside an image. */
export function removeChunks(target: string): void {
  for (const end of BESIDE.toReversed()) {
    if (exists(`${target}${end}`)) Deno.removeSync(`${target}${end}`);
  }
}

async function verifyId(
  what: string,
  asc: Uint8Array<ArrayBuffer>,
  imageId: string,
  keys: readonly PublicKey[],
): Promise<void> {
  const candidates = await acceptableSigners(what, await readSignatures(asc, what), keys);
  const digests = await createSignedDigests(candidates.map(({ signature }) => signature));
  digests.update(new TextEncoder().encode(idText(imageId)));
  try {
    await verifySigned(what, candidates, digests);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(
      `${what}: is not over the ID of this image; \`rkt image sign --delta\` makes it anew`,
      254,
      { cause: error },
    );
  }
}

/** Cuts an image and writes its pieces; returns the index. */
async function cut(
  { target, name, imageId }: { target: string; name: string; imageId: string },
  write: (bytes: Uint8Array) => void,
): Promise<Uint8Array> {
  const digestOf = await chunkDigester();
  const chunks: Chunk[] = [];
  let [size, at] = [0, 0];
  const chunker = new Chunker((chunk) => {
    const bytes = deflateRawSync(chunk, { level: 9 });
    chunks.push({ size: chunk.length, at, compressed: bytes.length, digest: digestOf(chunk) });
    write(bytes);
    size += chunk.length;
    at += bytes.length;
  });
  using source = await decompressed(fileSource(target));
  for (let part = await source.read(); part !== undefined; part = await source.read()) {
    chunker.push(part);
  }
  chunker.end();
  return chunkIndexBytes({ imageId, name, size, piecesSize: at, chunks });
}
