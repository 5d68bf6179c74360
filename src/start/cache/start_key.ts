/** What a command line is called among the entries of starts: the same bytes that the launcher makes of it. */
import { keyBytes } from "../../../stage1/launcher/start_entry.ts";
import { BUILD } from "../../version.ts";

/**
 * The key of this process's command line: the program, the working directory, and the words behind the program's name, as
 * the kernel has them.
 *
 * @returns undefined where rkt runs from its sources, or there is no /proc: such a start is not kept
 */
export function startKey(): Uint8Array<ArrayBuffer> | undefined {
  if (BUILD === undefined) return undefined;
  try {
    const line = Deno.readFileSync("/proc/self/cmdline");
    return keyBytes({
      build: BUILD,
      workingDirectory: new TextEncoder().encode(Deno.cwd()),
      words: line.subarray(line.indexOf(0) + 1),
    });
  } catch {
    return undefined;
  }
}
