import type { ByteSource } from "../aci/source.ts";
import type { ImageManifest } from "../appc/image_manifest.ts";
import type { Store, StoredImage } from "./store.ts";

/** A key that signed an image. */
export interface Signer {
  /** Hexadecimal digits of the primary key's fingerprint, in lower case. */
  readonly fingerprint: string;
  /** The user ID of the key, like `Jo <jo@example.com>`. */
  readonly identity: string;
  /** When it was signed, in milliseconds since 1970, as the signature says. */
  readonly signedAt: number;
}

/** What `verify` is told about an image that was read to its end. */
export interface ReadImage {
  /** `sha512-` and 128 digits. */
  readonly imageId: string;
  readonly manifest: ImageManifest;
}

/** How to import. */
export interface ImportOptions {
  /**
   * Judges the image before anything of it is visible: throws a `Failure` to refuse it, returns who
   * signed it. Default: nobody did, and it is imported.
   */
  readonly verify?: (image: ReadImage) => readonly Signer[] | Promise<readonly Signer[]>;
  /** The armoured signature, to be kept beside the image. */
  readonly signature?: string;
  /** Whether the image was asked for without a version, so that it is preferred when it is again. */
  readonly latest?: boolean;
  /** Whether to render the tree in the same pass. Default: if this is root. */
  readonly render?: boolean;
}

/** See {@linkcode Store.importAci}. */
export function importAci(
  _store: Store,
  _source: ByteSource,
  _options: ImportOptions,
): Promise<StoredImage> {
  throw new Error("not yet");
}
