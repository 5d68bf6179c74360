/** Where a process goes on behind a step. */
import type { Step } from "./plan.ts";

/** Whether the step behind a step may be the next one. */
export function goesOn({ call, branch, fatal }: Step): boolean {
  if (call === "exit_group" || call === "return" || call === "goto" || call === "leave") {
    return false;
  }
  // It returns only where it has failed.
  if (call === "execve" && fatal) return false;
  return fatal || branch?.when !== "always";
}
