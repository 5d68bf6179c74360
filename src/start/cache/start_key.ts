/** What a command line is called among the entries of starts: the same bytes that the launcher makes of it. */
import { callerStreams } from "../../linux/caller_streams.ts";
import { originalVariable } from "../../linux/environment.ts";
import {
  keyBytes,
  MANAGER_VARIABLES,
  USER_VARIABLES,
} from "../../../stage1/launcher/start_entry.ts";
import { callingUser, ownGroup } from "../../rootless/calling_user.ts";
import { BUILD } from "../../version.ts";

/**
 * The key of this process's command line: the program, what its streams are, the working directory, and the words behind
 * the program's name, as the kernel has them; and what a service manager says by variables, and a user's of his directories.
 *
 * @returns undefined where rkt runs from its sources, or there is no /proc: such a start is not kept
 */
export function startKey(): Uint8Array<ArrayBuffer> | undefined {
  if (BUILD === undefined) return undefined;
  try {
    const mine = callingUser() === undefined ? [] : USER_VARIABLES;
    const line = Deno.readFileSync("/proc/self/cmdline");
    return keyBytes({
      build: BUILD,
      streams: callerStreams(),
      group: ownGroup(),
      workingDirectory: new TextEncoder().encode(Deno.cwd()),
      words: line.subarray(line.indexOf(0) + 1),
      variables: [...MANAGER_VARIABLES, ...mine].flatMap((name) => {
        const value = originalVariable(name);
        return value === undefined ? [] : [`${name}=${value}`];
      }),
    });
  } catch {
    return undefined;
  }
}
