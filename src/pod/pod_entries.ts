/** What a pod's directory is filled with: a list, so that it can be made again for the same pod of tomorrow. */
import type { PodDirectory } from "./pod_directory.ts";

/** A directory or file below a pod's directory. */
export type PodEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  | {
    /** An empty volume. */
    readonly kind: "volume";
    readonly path: string;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  };

/** Makes the entries, in their order. */
export function makeEntries(pod: PodDirectory, entries: readonly PodEntry[]): void {
  const base = pod.path;
  for (const entry of entries) {
    const path = `${base}/${entry.path}`;
    if (entry.kind === "file") {
      Deno.writeTextFileSync(path, entry.text, { mode: 0o640 });
    } else if (entry.kind === "directory") {
      Deno.mkdirSync(path, { mode: entry.mode });
    } else {
      Deno.mkdirSync(path, { mode: 0o700 });
      Deno.chownSync(path, entry.uid, entry.gid);
      Deno.chmodSync(path, entry.mode); // after chown(2), which clears setuid bits
    }
  }
}
