/** Renders an image with its dependencies into one tree (REFERENCE: appc "Dependencies"). */
import { type ByteSource } from "./source.ts";
import { type ExtractOptions } from "./extract.ts";

/** An image and what it depends on. */
export interface ImageNode {
  /** The image ID, or the prefix of it that a store uses as its key. */
  readonly id: string;
  /** Opens the image, plain or compressed; may be called several times. */
  open(): ByteSource;
  /** Absolute paths in the image; empty: everything. */
  readonly pathWhitelist: readonly string[];
  /** In the order of the manifest. */
  readonly dependencies: readonly ImageNode[];
}

/**
 * Renders `image` into `directory`, which exists and is empty: `manifest` of the top image and the
 * merged `rootfs`. Every image's bytes are hashed again and must match its `id`.
 *
 * @throws {Failure}
 */
export function renderImage(
  _image: ImageNode,
  _directory: string,
  _options: ExtractOptions = {},
): Promise<void> {
  throw new Error("not yet");
}
