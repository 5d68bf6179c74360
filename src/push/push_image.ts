/** Pushing an image of the store into a registry. */
import { Failure } from "../failure.ts";
import type { Digest } from "../oci/digest.ts";
import { MANIFEST_TYPES } from "../oci/media_types.ts";
import { parseReference, type RegistryReference } from "../oci/reference.ts";
import { Pusher } from "../registry/push.ts";
import type { Registries } from "../registry/registries.ts";
import { readReferences } from "../store/oci/references.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { type EncryptLayer, ociManifest, sendEncrypted } from "./encrypted_layers.ts";
import { gzippedStream } from "./gzipped_stream.ts";
import { layerStream, type OutgoingLayer, type SentLayer } from "./outgoing_image.ts";
import { outgoingImage } from "./stored_oci.ts";

/** What was pushed. */
export interface Pushed {
  readonly digest: Digest;
  /** Whether it is, byte by byte, what was fetched. */
  readonly unchanged: boolean;
}

/** How to push. */
export interface PushOptions {
  readonly registries: Registries;
  readonly store: Store;
  readonly image: StoredImage;
  readonly target: RegistryReference;
  /** Where layers are to be encrypted. */
  readonly encrypt?: EncryptLayer;
  /** Told what is sent. */
  readonly message: (line: string) => void;
}

/**
 * Pushes an image.
 *
 * The store keeps layers uncompressed. Where the registry has the layer as it was published, nothing is sent and the image stays
 * the same; else the layer is compressed anew, and the manifest is another one.
 *
 * @throws {Failure} the name has a digest, the registry refuses, or the image is damaged
 */
export async function pushImage(options: PushOptions): Promise<Pushed> {
  const { registries, store, image, target, encrypt, message } = options;
  if (target.digest !== undefined) {
    throw new Failure("push: a name with a digest can't be chosen; give a tag, or none");
  }
  const source = registries.source(target);
  const endpoint = source.pushEndpoint;
  const pusher = new Pusher(registries.client, endpoint);
  const outgoing = await outgoingImage(store, image);
  const siblings = siblingRepositories(store.dataDir, image, target);
  const layers = [];
  for (const [index, layer] of outgoing.layers.entries()) {
    const name = `layer ${index + 1} of ${outgoing.layers.length}`;
    if (encrypt === undefined) {
      layers.push(await pushLayer(pusher, layer, siblings, (what) => message(`${name}: ${what}`)));
    } else {
      message(`${name}: sending`);
      layers.push(await sendEncrypted(layer, encrypt, (open) => pusher.blob({ open })));
    }
  }
  const { bytes, descriptor } = outgoing.config;
  const config = descriptor !== undefined && await pusher.has(descriptor.digest)
    ? descriptor
    : await pusher.blob({ open: () => ReadableStream.from([bytes]) });
  const made = outgoing.manifest(config, layers);
  const manifest = encrypt === undefined ? made : {
    bytes: ociManifest(made, config, layers),
    mediaType: MANIFEST_TYPES.ociManifest,
  };
  const digest = await pusher.manifest(manifest.bytes, manifest.mediaType, target.tag ?? "latest");
  return { digest, unchanged: image.key === digest.replace(":", "-") };
}

async function pushLayer(
  pusher: Pusher,
  layer: OutgoingLayer,
  siblings: readonly string[],
  message: (what: string) => void,
): Promise<SentLayer> {
  const { published, gzipType } = layer;
  if (published !== undefined) {
    if (await pusher.has(published.digest)) {
      message("is there already");
      return published;
    }
    for (const sibling of siblings) {
      if (!await pusher.mount(published.digest, sibling)) continue;
      message(`taken from ${sibling}`);
      return published;
    }
  }
  message("sending");
  return {
    ...await pusher.blob({ open: () => gzippedStream(layerStream(layer)) }),
    mediaType: gzipType,
  };
}

/** Repositories of the same registry that the image was fetched from: they may have its layers as published. */
function siblingRepositories(
  dataDir: string,
  { key }: StoredImage,
  target: RegistryReference,
): readonly string[] {
  const names = Object.entries(readReferences(dataDir)).flatMap(([name, reference]) =>
    reference.key === key ? [parseReference(name)] : []
  );
  const here = names.filter(({ registry, repository }) =>
    registry === target.registry && repository !== target.repository
  );
  return [...new Set(here.map(({ repository }) => repository))];
}
