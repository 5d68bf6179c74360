/** What fetching leaves in the store beside images, and when it is of no more use. */
import { imagePath } from "../store/layout.ts";
import { exists } from "../linux/exists.ts";
import { closeDescriptor, openLockFile, tryLockExclusive } from "../linux/lock.ts";
import { isStill } from "./partial_file.ts";

/**
 * Removes downloads that nobody took up again, and records of URLs whose images are gone.
 *
 * @param gracePeriod how long a download may wait to be resumed, in milliseconds
 * @returns bytes of disk space that were given back
 */
export function removeStaleDownloads(dataDir: string, gracePeriod: number): number {
  removeStaleRecords(dataDir);
  const directory = `${dataDir}/cas/partial`;
  let freed = 0;
  for (const name of names(directory).filter((each) => each.endsWith(".lock"))) {
    const path = `${directory}/${name}`;
    const lock = openLockFile(path);
    try {
      if (tryLockExclusive(lock, path) && isStill(lock, path)) {
        freed += removeDownload(path.slice(0, -".lock".length), gracePeriod);
      }
    } finally {
      closeDescriptor(lock);
    }
  }
  return freed;
}

/** Removes a download that is old enough; the lock file last, as it is what others look at. */
function removeDownload(path: string, gracePeriod: number): number {
  const info = exists(path) ? Deno.statSync(path) : undefined;
  const age = Date.now() - (info?.mtime?.getTime() ?? 0);
  if (info !== undefined && age < gracePeriod) return 0;
  for (const suffix of [".json", "", ".lock"]) {
    if (exists(path + suffix)) Deno.removeSync(path + suffix);
  }
  return (info?.blocks ?? 0) * 512;
}

function removeStaleRecords(dataDir: string): void {
  const directory = `${dataDir}/cas/remote`;
  for (const name of names(directory)) {
    const path = `${directory}/${name}`;
    // Another suffix: a record that is being written, or whose writer was killed.
    const stale = name.endsWith(".json") ? !hasImage(dataDir, path) : isOld(path);
    if (stale && exists(path)) Deno.removeSync(path);
  }
}

function hasImage(dataDir: string, path: string): boolean {
  try {
    const { key }: { key?: unknown } = JSON.parse(Deno.readTextFileSync(path));
    return typeof key === "string" && /^sha512-[0-9a-f]{64}$/.test(key) &&
      exists(imagePath(dataDir, "imageManifest", key));
  } catch {
    return false;
  }
}

/** Writing a record takes milliseconds. */
function isOld(path: string): boolean {
  return exists(path) && Date.now() - (Deno.statSync(path).mtime?.getTime() ?? 0) > 60_000;
}

function names(directory: string): string[] {
  return exists(directory) ? [...Deno.readDirSync(directory)].map((entry) => entry.name) : [];
}
