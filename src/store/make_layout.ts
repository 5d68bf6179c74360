import { exists } from "../linux/exists.ts";

/** The store's directories. */
const DIRECTORIES = [
  "",
  "locks",
  "cas",
  "cas/db",
  "cas/blob",
  "cas/imageManifest",
  "cas/imageInfo",
  "cas/ociManifest",
  "cas/ociConfig",
  "cas/layer",
  "cas/compressedLayer",
  "cas/tree",
  "cas/treeid",
  "cas/resolved",
  // The last: if it is there, all are.
  "cas/tmp",
] as const;

/**
 * Makes the store's directories where they do not exist yet. They are root's alone (0700): what is below them are roots of
 * pods, with setuid programs of strangers, and files by which rkt decides what to run.
 */
export function makeLayout(dataDir: string): void {
  if (exists(`${dataDir}/cas/tmp`)) return;
  for (const name of DIRECTORIES) {
    Deno.mkdirSync(`${dataDir}/${name}`, { recursive: true, mode: 0o700 });
  }
}
