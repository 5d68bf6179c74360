/** Fills a pod directory where the supervisor does not do it itself. */
import { cstring, syscall } from "../../linux/syscall.ts";
import type { PodEntry } from "../../../stage1/pod.ts";
import type { PodDirectory } from "./locked_pod.ts";

/** Makes the entries, in their order. */
export function makeEntries(pod: Pick<PodDirectory, "path">, entries: readonly PodEntry[]): void {
  const base = pod.path;
  for (const entry of entries) {
    const path = `${base}/${entry.path}`;
    if (entry.kind === "file") {
      Deno.writeTextFileSync(path, entry.text, { mode: 0o640 });
    } else if (entry.kind === "directory") {
      Deno.mkdirSync(path, { mode: entry.mode });
      Deno.chmodSync(path, entry.mode); // the umask is the caller's
    } else {
      Deno.mkdirSync(path, { mode: 0o700 });
      Deno.chownSync(path, entry.uid, entry.gid);
      Deno.chmodSync(path, entry.mode); // after chown(2), which clears setuid bits
      for (const { name, value } of entry.attributes ?? []) {
        const doing = `set the attribute ${name} of ${path}`;
        syscall(doing, "setxattr", cstring(path), cstring(name), value, value.length, 0);
      }
    }
  }
}
