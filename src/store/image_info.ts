/** What the store knows of an image that cannot be told from the archive: `cas/imageInfo`. */
import type { ImageId, StoreKey } from "../appc/image_id.ts";
import { imagePath } from "./layout.ts";

/** A key that signed an image. */
export interface Signer {
  /** Hexadecimal digits of the primary key's fingerprint, in lower case. */
  readonly fingerprint: string;
  /** The user ID of the key, like `Jo <jo@example.com>`. */
  readonly identity: string;
  /** When it was signed, in milliseconds since 1970, as the signature says. */
  readonly signedAt: number;
  /** What the signature is over, in hexadecimal: it can be verified again without the archive. */
  readonly digest?: string;
  /** Of the key's files when the signature was verified with them; see `copiesDigest` in src/trust. */
  readonly keyDigest?: string;
  /** Of an OCI image: the names for one of which the key has to be trusted. */
  readonly names?: readonly string[];
}

/** What is written down about an image when it is imported. */
export interface ImageInfo {
  /** The whole image ID; undefined where the file was lost. */
  readonly imageId: ImageId | undefined;
  /** Whether it was asked for without a version. */
  readonly latest: boolean;
  readonly signers: readonly Signer[];
  /** The armoured signature, which is over the archive as it was distributed. */
  readonly signature?: string;
  /** Of an OCI image: bytes of its uncompressed layers. */
  readonly size?: number;
  /** Of an OCI image: which way of making its manifest was used, see `CONVERSION` of src/oci/appc_manifest.ts. */
  readonly conversion?: number;
  /** Of an OCI image: the digests of the indexes through which it was reached, outermost first. */
  readonly indexes?: readonly string[];
}

/** Reads what is known of an image. A lost or damaged file means that nothing is known. */
export function readImageInfo(dataDir: string, key: StoreKey): ImageInfo {
  try {
    const text = Deno.readTextFileSync(imagePath(dataDir, "imageInfo", key));
    const { imageId, latest, signers, signature, size, indexes, conversion }: Partial<ImageInfo> =
      JSON.parse(
        text,
      );
    return {
      imageId,
      latest: latest === true,
      signers: Array.isArray(signers) ? signers : [],
      ...typeof signature === "string" && { signature },
      ...typeof size === "number" && { size },
      ...typeof conversion === "number" && { conversion },
      ...Array.isArray(indexes) && { indexes },
    };
  } catch {
    return { imageId: undefined, latest: false, signers: [] };
  }
}
