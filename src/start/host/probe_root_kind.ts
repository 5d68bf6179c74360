/** Finds out whether overlayfs works over the data directory. Loaded only where that is not known yet. */
import { replaceFile } from "../../linux/atomic_file.ts";
import type { RootKind } from "../../pod/make/prepare_pod.ts";
import { TempDirectory } from "../../store/temp_directory.ts";
import { overlayWorks } from "../../../stage1/root/overlay_probe.ts";

/**
 * Tries it, and remembers the answer.
 *
 * @param path of the file to remember it in
 * @param key what the answer holds for: the kernel and the directory
 */
export function probeRootKind(dataDirectory: string, path: string, key: string): RootKind {
  using temporary = TempDirectory.create(dataDirectory);
  const kind = overlayWorks(temporary.path) ? "overlay" : "copy";
  replaceFile(path, `${kind} ${key}`, { directory: temporary.path, durable: false });
  return kind;
}
