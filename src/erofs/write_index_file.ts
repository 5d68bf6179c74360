import type { IndexTree } from "./index_tree.ts";
import type { Archives } from "./tails.ts";
import { writeIndex } from "./write_index.ts";

/**
 * Writes the index of a tree to a new file, and brings it to the disk.
 *
 * @param archive the path of an archive, by the ID that the tree's device has
 */
export function writeIndexFile(
  tree: IndexTree,
  path: string,
  archive: (id: string) => string,
): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o640 });
  writeIndex(tree, archiveFiles(archive), (bytes) => {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  });
  file.syncDataSync();
}

function archiveFiles(archive: (id: string) => string): Archives {
  return {
    size: (id) => Deno.statSync(archive(id)).size,
    read(id, from, length) {
      using file = Deno.openSync(archive(id));
      file.seekSync(from, Deno.SeekMode.Start);
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length;) {
        const count = file.readSync(bytes.subarray(at));
        if (count === null) throw new Error(`${archive(id)} ends before byte ${from + length}`);
        at += count;
      }
      return bytes;
    },
  };
}
