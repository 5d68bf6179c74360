/**
 * Where start times are measured: a directory on a file system of its own, with a journal.
 *
 * Without a journal ext4 does not give out an inode again for a minute after its file was deleted (`recently_deleted()` in
 * fs/ext4/ialloc.c): each new file and directory passes over all of them. A start makes some 25 of these on disk, so where
 * somebody has just removed a thousand pods, each start beside them takes 5 to 10 ms longer.
 */
import { Failure } from "../../src/failure.ts";
import { detachTrees } from "../../src/store/tree/mount_tree.ts";
import { removeAll } from "./report.ts";
import { tool } from "./tool.ts";

/** Bytes of the file system; its file is sparse. */
const SIZE = 4 * 2 ** 30;

/** A directory to measure in. */
export interface BenchDirectory {
  readonly path: string;
  /** Removes it with all that it contains, and the mounts of `rkt` in it, a data directory. */
  readonly remove: () => Promise<void>;
}

/** Makes the directory; below /var/tmp as it is where nothing can be mounted from a file, and says so. */
export async function benchDirectory(): Promise<BenchDirectory> {
  const dir = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "rkt-bench-" });
  const path = `${dir}/files`, image = `${dir}/file-system`;
  await Deno.mkdir(path);
  try {
    await Deno.writeFile(image, new Uint8Array());
    await Deno.truncate(image, SIZE);
    await tool("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", image);
    await tool("mount", "-o", "loop", image, path);
  } catch (error) {
    if (!(error instanceof Failure) && !(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`no file system of its own, files deleted before may disturb: ${error.message}`);
  }
  const remove = async () => {
    // What rkt has mounted of its store keeps the file system busy.
    detachTrees(`${path}/rkt`, () => true);
    await removeAll(dir);
  };
  return { path, remove };
}
