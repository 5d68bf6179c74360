/** What went wrong, in one line for a person. */
import { AppcError } from "../../appc/error.ts";
import { Failure } from "../../failure.ts";
import { KernelError } from "../../linux/errno.ts";
import { printableLine } from "../../linux/printable.ts";

/** The line for whatever was thrown; that of the first error, where clean-up has failed behind it. */
export function errorLine(thrown: unknown): string {
  const error = firstError(thrown);
  const message = plainMessage(error instanceof Error ? error.message : String(error));
  const line = printableLine(message.trim().replace(/\s*\n\s*/g, "; "));
  const prefix = isExpected(error) ? "" : "this is a bug in rkt (--debug shows where): ";
  return `${prefix}${line}${hint(error)}`;
}

/**
 * The words of Deno's errors of system calls, `No such file or directory (os error 2): readfile '/x'`, in the order of ours,
 * `readfile '/x': no such file or directory`; also where they stand in another message.
 */
function plainMessage(message: string): string {
  return message.replace(
    /([A-Z][\w ,/-]*?) \(os error \d+\)(?:: (?:readfile|open|stat|lstat|readdir|mkdir|writefile|remove) ('[^']*')(?: -> '[^']*')?)?/g,
    (_, what: string, path: string | undefined) =>
      path === undefined ? lower(what) : `${path}: ${lower(what)}`,
  );
}

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/**
 * What was thrown first. Where the end of a `using` throws while an error is under way, what arrives is a
 * `SuppressedError` of both.
 */
export function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

/** Whether an error is about the input or the system; whatever else is thrown is a bug. */
function isExpected(error: unknown): boolean {
  if (error instanceof Failure || error instanceof AppcError) return true;
  if (error instanceof KernelError) return true;
  // The runtime knows no such names.
  if (error instanceof Error && error.message.endsWith("is not valid UTF-8")) return true;
  // Deno's own errors of system calls: a full disk can turn up anywhere.
  if (!(error instanceof Error)) return false;
  if ("code" in error && /^E[A-Z0-9]+$/.test(String(error.code))) return true;
  return / \(os error \d+\)/.test(error.message); // it does not know the name of every errno
}

/** What to do where the kernel refused something to a person who is not root. */
function hint(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return Deno.uid() !== 0 && (code === "EACCES" || code === "EPERM") ? "; try it as root" : "";
}
