/** An image on its way into a registry or a file: what src/push makes of an image of the store. */
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { PushedBlob } from "../registry/push.ts";

/** An image, ready to be sent. */
export interface OutgoingImage {
  readonly config: {
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly descriptor: Descriptor | undefined;
  };
  readonly layers: readonly OutgoingLayer[];
  /** The manifest around a configuration and layers. */
  readonly manifest: (
    config: PushedBlob,
    layers: readonly SentLayer[],
  ) => {
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly mediaType: string;
  };
}

/** A layer as it was sent. */
export interface SentLayer extends PushedBlob {
  readonly mediaType: string;
  /** The key of one that is encrypted. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What a manifest says of a layer. */
export const layerEntry = ({ mediaType, digest, size, annotations = {} }: SentLayer): object => ({
  ...{ mediaType, digest, size },
  ...Object.keys(annotations).length > 0 && { annotations },
});

/** A layer, uncompressed here. */
export interface OutgoingLayer {
  /** What it was published as, where it was. */
  readonly published?: Descriptor;
  /** Its digest. */
  readonly diffId: Digest;
  /** Its bytes. */
  readonly size: number;
  /** Its bytes, anew for each call; a chunk is valid until the next one. */
  readonly chunks: () => Iterable<Uint8Array<ArrayBuffer>>;
  /** The type of the layer compressed by gzip. */
  readonly gzipType: string;
}

/** The bytes of a layer as a stream. */
export function layerStream({ chunks }: OutgoingLayer): ReadableStream<Uint8Array<ArrayBuffer>> {
  let iterator: Iterator<Uint8Array<ArrayBuffer>> | undefined;
  return new ReadableStream({
    pull(controller) {
      iterator ??= chunks()[Symbol.iterator]();
      const { value, done } = iterator.next();
      if (done) controller.close();
      else controller.enqueue(value.slice());
    },
    cancel: () => void iterator?.return?.(),
  }, { highWaterMark: 0 });
}
