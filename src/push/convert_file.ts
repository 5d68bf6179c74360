/** `rkt image convert SOURCE TARGET`: an image of the store or of a file as a file of another format. */
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";
import { parseOciLocation } from "../oci/location.ts";
import type { DecryptLayer } from "../store/oci/open_layer.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import type { EncryptLayer } from "./encrypted_layers.ts";
import { withFileImage } from "./file_image.ts";
import { type ImageFormat, writeImage } from "./write_image.ts";

/** Where an image is written. */
export interface ConversionTarget {
  readonly format: ImageFormat;
  readonly path: string;
  readonly tag?: string;
}

/**
 * Reads `FILE.aci`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME]`.
 *
 * @throws {Failure}
 */
export function conversionTarget(text: string): ConversionTarget {
  const location = parseOciLocation(text);
  if (location === undefined || location.kind === "registry") return { format: "aci", path: text };
  const { kind, path, name } = location;
  if (path === "-") throw new Failure(`"${text}": an image is written to a file, not to stdout`);
  if (name?.startsWith("@") === true) {
    throw new Failure(`"${text}": a digest can't be chosen; give a tag, or none`);
  }
  const format = kind === "layout" ? "oci" : kind;
  return { format, path, ...name !== undefined && { tag: name } };
}

/** What becomes of the layers of OCI images on the way. */
export interface LayerCiphers {
  /** Encrypts those of the target. */
  readonly encrypt?: EncryptLayer;
  /** Decrypts those of a file that are encrypted. */
  readonly decrypt?: DecryptLayer;
}

/**
 * Writes an image to a path where nothing is.
 *
 * @param stored finds the source in the store, where it is no file
 * @throws {Failure}
 */
export async function convertToFile(
  store: Store,
  source: string,
  stored: () => Promise<StoredImage>,
  { format, tag }: ConversionTarget,
  path: string,
  { encrypt, decrypt }: LayerCiphers = {},
): Promise<void> {
  const options = { ...tag !== undefined && { tag }, ...encrypt !== undefined && { encrypt } };
  const location = parseOciLocation(source === "-" ? "oci-archive:-" : source);
  const isOci = location !== undefined && location.kind !== "registry";
  if (!isOci && !source.endsWith(".aci") && (location !== undefined || !exists(source))) {
    return await writeImage(store, await stored(), format, path, options);
  }
  const from = isOci ? location : source;
  const write = (own: Store, image: StoredImage) => writeImage(own, image, format, path, options);
  await withFileImage(store.dataDir, from, write, decrypt);
}
