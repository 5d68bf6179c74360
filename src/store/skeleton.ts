/** The mount points that a root file system needs: the lowest layer below every tree, or filled into a copy. */
import { exists } from "../linux/exists.ts";

/** The mount points with their modes. */
const SKELETON: readonly (readonly [string, number])[] = [
  ["dev", 0o755],
  ["etc", 0o755],
  ["proc", 0o755],
  ["run", 0o755],
  ["sys", 0o755],
  ["tmp", 0o1777],
];

/** What an app finds in /etc/hosts where nobody says anything else (hosts(5)). */
export const HOSTS_STUB = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/** Makes the mount points that a root lacks; what the image has at their places stays. */
export function fillSkeleton(root: string, owner = 0): void {
  for (const [name, mode] of SKELETON) {
    const path = `${root}/${name}`;
    if (exists(path)) continue;
    Deno.mkdirSync(path);
    Deno.chownSync(path, owner, owner);
    Deno.chmodSync(path, mode);
  }
  // A link there may lead out of the root.
  if (Deno.lstatSync(`${root}/etc`).isDirectory) fillEtc(root, owner);
}

/** Files of /etc that every app has: places for those that are the pod's, and the mounts where programs look for them. */
export function fillEtc(root: string, owner = 0): void {
  for (const [name, text] of [["hosts", HOSTS_STUB], ["hostname", ""]] as const) {
    const path = `${root}/etc/${name}`;
    if (exists(path)) continue;
    Deno.writeTextFileSync(path, text, { createNew: true });
    Deno.chmodSync(path, 0o644);
    Deno.chownSync(path, owner, owner);
  }
  if (!exists(`${root}/etc/mtab`)) Deno.symlinkSync("../proc/self/mounts", `${root}/etc/mtab`);
}

/**
 * Makes a directory of empty mount points by way of a temporary one. Nobody locks that, so a collector may remove it
 * meanwhile: then nothing is made, and the caller tries again.
 */
export function makeSkeleton(path: string, temporary: string): void {
  try {
    const directory = temporary.slice(0, temporary.lastIndexOf("/"));
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    Deno.mkdirSync(temporary);
    Deno.chmodSync(temporary, 0o755);
    for (const [name, mode] of SKELETON) {
      Deno.mkdirSync(`${temporary}/${name}`);
      // Not by mkdir's mode: the umask takes bits away from that.
      Deno.chmodSync(`${temporary}/${name}`, mode);
    }
    fillEtc(temporary);
    Deno.renameSync(temporary, path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    // Another process was faster: a directory that is not empty is never replaced.
    if (!exists(path)) throw error;
    Deno.removeSync(temporary, { recursive: true });
  }
}
