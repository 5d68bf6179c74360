import { type ByteSource, fileSource } from "../aci/bytes/source.ts";
import { isOciImageId } from "../appc/image_id.ts";
import type { StoredImage } from "./stored_image.ts";

/**
 * The bytes of an image as an uncompressed App Container Image: as it is in the store, or made of the layers of an OCI image.
 *
 * @throws {Failure} here or from the source, where what it is made of is gone or damaged
 */
export async function imageArchive(dataDir: string, image: StoredImage): Promise<ByteSource> {
  if (!isOciImageId(image.key)) return fileSource(image.blobPath);
  const { ociAci } = await import("./oci/oci_aci.ts");
  return ociAci(dataDir, image);
}
