/** Partial files of layers: a pull that was killed goes on in the middle of a layer. */
import type { OpenPartialBlob } from "../registry/partial_blob.ts";
import { PartialFile } from "./partial_file.ts";

/** Bytes from which it is worth the trouble. */
const LEAST = 1 << 20;

/** Keeps partial layers beside other downloads. A digest says better than an ETag which bytes belong together. */
export function partialLayers(dataDir: string): OpenPartialBlob {
  return async ({ digest, size: total }) => {
    if (total < LEAST) return undefined;
    const url = `oci:${digest}`;
    const file = await PartialFile.open(dataDir, url);
    if (file === undefined) return undefined;
    try {
      const left = file.left();
      const isUsable = left !== undefined && left.etag === digest && left.total === total;
      if (isUsable) file.resume();
      else file.begin({ url, etag: digest, total });
      return {
        size: isUsable ? left.size : 0,
        reader: () => file.reader(),
        append: (bytes) => file.append(bytes),
        remove: () => file.remove(),
        [Symbol.dispose]: () => file[Symbol.dispose](),
      };
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  };
}
