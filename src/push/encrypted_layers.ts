/** Layers that are encrypted on their way out. How that is done the caller says: see src/trust/layers. */
import { Failure } from "../failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { DigestHasher } from "../oci/hash.ts";
import { documentErrors, jsonOf } from "../oci/image_documents.ts";
import { CONFIG_TYPES, ENCRYPTED, MANIFEST_TYPES } from "../oci/media_types.ts";
import { fileChunks, writeAll } from "./image_files.ts";
import { gzippedStream } from "./gzipped_stream.ts";
import {
  layerEntry,
  layerStream,
  type OutgoingImage,
  type OutgoingLayer,
  type SentLayer,
} from "./outgoing_image.ts";

/** Encrypts a layer's bytes while they are read; the annotations that say the key are there at their end. */
export type EncryptLayer = (compressed: ReadableStream<Uint8Array<ArrayBuffer>>) => {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  annotations(): Promise<Readonly<Record<string, string>>>;
};

/** The type of every layer that is encrypted here: it is compressed by gzip, whatever it was. */
const LAYER = `application/vnd.oci.image.layer.v1.tar+gzip${ENCRYPTED}`;

/**
 * Sends a layer encrypted.
 *
 * @param send takes the bytes, which are others each time, and says what came
 */
export async function sendEncrypted(
  layer: OutgoingLayer,
  encrypt: EncryptLayer,
  send: (
    open: () => ReadableStream<Uint8Array<ArrayBuffer>>,
  ) => Promise<Pick<Descriptor, "digest" | "size">>,
): Promise<SentLayer> {
  let last: ReturnType<EncryptLayer> | undefined;
  const blob = await send(() => (last = encrypt(gzippedStream(layerStream(layer)))).stream);
  if (last === undefined) throw new Failure("a layer was sent without being read");
  return { ...blob, mediaType: LAYER, annotations: await last.annotations() };
}

/** A layer that can be read. */
export interface WrittenLayer extends SentLayer {
  /** Its bytes, anew for each call; a chunk is valid until the next one. */
  chunks(): Iterable<Uint8Array<ArrayBuffer>>;
}

/** Layers in files of this directory, each once, however often the image has it. */
export async function encryptedFiles(
  layers: readonly OutgoingLayer[],
  encrypt: EncryptLayer,
  directory: string,
): Promise<readonly WrittenLayer[]> {
  const made = new Map<string, WrittenLayer>();
  const written: WrittenLayer[] = [];
  for (const layer of layers) {
    const file = made.get(layer.diffId) ?? await encryptedFile(layer, encrypt, directory);
    made.set(layer.diffId, file);
    written.push(file);
  }
  return written;
}

async function encryptedFile(
  layer: OutgoingLayer,
  encrypt: EncryptLayer,
  directory: string,
): Promise<WrittenLayer> {
  const path = `${directory}/${crypto.randomUUID()}`;
  const sent = await sendEncrypted(layer, encrypt, async (open) => {
    using file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
    const hasher = new DigestHasher();
    let size = 0;
    for await (const chunk of open()) {
      hasher.update(chunk);
      size += chunk.length;
      writeAll(file, chunk);
    }
    return { digest: hasher.digest(), size };
  });
  return { ...sent, chunks: () => fileChunks(path) };
}

/** The manifest as OCI has it, whatever it was: docker's layers can't be encrypted. */
export function ociManifest(
  made: ReturnType<OutgoingImage["manifest"]>,
  config: Pick<Descriptor, "digest" | "size">,
  layers: readonly SentLayer[],
): Uint8Array<ArrayBuffer> {
  if (made.mediaType === MANIFEST_TYPES.ociManifest) return made.bytes;
  const json = documentErrors("the image's manifest", () => jsonOf(made.bytes));
  return new TextEncoder().encode(JSON.stringify({
    ...json,
    mediaType: MANIFEST_TYPES.ociManifest,
    config: { mediaType: CONFIG_TYPES.oci, digest: config.digest, size: config.size },
    layers: layers.map(layerEntry),
  }));
}
