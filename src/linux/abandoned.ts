import { exists } from "./exists.ts";

/**
 * Removes the files in a directory that killed processes have left: those called by a prefix and the PID of a process
 * that is not there. A writer in another PID namespace may lose its file by that, so this is for files whose writers
 * can bear it.
 */
export function removeAbandoned(directory: string, prefix: string): void {
  if (!exists(directory)) return;
  for (const { name } of Deno.readDirSync(directory)) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    if (!/^\d+$/.test(pid) || exists(`/proc/${pid}`)) continue;
    try {
      Deno.removeSync(`${directory}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
