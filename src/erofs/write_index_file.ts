import type { IndexTree } from "./index_tree.ts";
import { writeIndex } from "./write_index.ts";

/**
 * Writes the index of a tree to a new file, and brings it to the disk.
 *
 * @param deviceSize bytes of an archive, by the ID that the tree's device has
 */
export function writeIndexFile(
  tree: IndexTree,
  path: string,
  deviceSize: (id: string) => number,
): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o640 });
  writeIndex(tree, deviceSize, (bytes) => {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  });
  file.syncDataSync();
}
