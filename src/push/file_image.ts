/** Images that lie in files, without the store: they are read into one of their own, which is gone afterwards. */
import { fileSource } from "../aci/bytes/source.ts";
import { openedTitle } from "../oci/local_title.ts";
import type { OciLocation } from "../oci/location.ts";
import { openLocalSource } from "../oci/open_source.ts";
import type { DecryptLayer } from "../store/oci/open_layer.ts";
import { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { TempDirectory } from "../store/temp_directory.ts";
import { detachTrees } from "../store/tree/mount_tree.ts";

/** Where such an image is: an App Container Image by its path, or an OCI image. */
export type FileImage = string | Exclude<OciLocation, { readonly kind: "registry" }>;

/**
 * Reads an image as a fetch would, and hands it over. Nothing is run of it, so nobody has to have signed it.
 *
 * @param dataDir where there is room for it meanwhile
 * @param decrypt for layers that are encrypted; by default they are refused
 * @throws {Failure} that a fetch would end with
 */
export async function withFileImage<T>(
  dataDir: string,
  from: FileImage,
  use: (store: Store, image: StoredImage) => Promise<T>,
  decrypt?: DecryptLayer,
): Promise<T> {
  using temp = TempDirectory.create(dataDir);
  const own = new Store(`${temp.path}/store`);
  try {
    return await use(own, await imported(own, from, temp.path, decrypt));
  } finally {
    detachTrees(own.dataDir, () => true);
  }
}

async function imported(
  own: Store,
  from: FileImage,
  temporaryDirectory: string,
  decrypt: DecryptLayer | undefined,
): Promise<StoredImage> {
  if (typeof from === "string") {
    using bytes = fileSource(from);
    return await own.importAci(bytes, { render: false });
  }
  await using source = await openLocalSource(from, { temporaryDirectory });
  return await own.importOci(source, {
    ...{ title: await openedTitle(from, source), references: [], render: false },
    ...decrypt !== undefined && { decrypt },
  });
}
