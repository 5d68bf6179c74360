/** Trees whose files the kernel verifies, where the file system can: `verity` in a tree has the digests of index and archives. */
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../../linux/constants.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import { cstring, syscall } from "../../linux/syscall.ts";
import { enableVerity, measureVerity } from "../../erofs/verity.ts";
import { indexFiles, VERITY_FILE } from "./mount_tree.ts";

/**
 * Seals the files of a new tree, and notes their digests. Where that can't be, nothing is noted, and the tree is as good as any
 * other.
 */
export function sealTree(directory: string): void {
  const { index, devices } = indexFiles(directory);
  const digests: string[] = [];
  for (const path of [index, ...devices]) {
    const digest = sealed(path);
    if (digest === undefined) return;
    digests.push(digest);
  }
  using file = Deno.openSync(`${directory}/${VERITY_FILE}`, {
    write: true,
    createNew: true,
    mode: 0o640,
  });
  file.writeSync(new TextEncoder().encode(`${digests.join("\n")}\n`));
  file.syncDataSync();
}

function sealed(path: string): string | undefined {
  const fd = syscall(`open ${path}`, "openat", AT_FDCWD, cstring(path), O_RDONLY | O_CLOEXEC, 0);
  try {
    return enableVerity(fd) ? measureVerity(fd) : undefined;
  } finally {
    closeDescriptor(fd);
  }
}
