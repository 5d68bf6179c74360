/**
 * The environment that the user gave.
 *
 * `Deno.env` may differ from it: a packed binary drops variables that would change what Deno does
 * (`HOME`, `DENO_*`, `NODE_*`, …) and adds its own (docs/build/building.md). So what rkt hands on to an app
 * (`--inherit-env`) or to a program it runs, and what it reads for its own use, comes from here, and
 * `Deno.env` is not used.
 */

import { textOfBytes } from "./bytes.ts";

let entries: readonly string[] | undefined;

/**
 * The variables as `NAME=value`, in the order of the kernel (proc_pid_environ(5)); read once, when
 * first asked for. Bytes that are not UTF-8 are escaped (`textOfBytes()`). Without /proc: none.
 */
export function originalEnvironment(): readonly string[] {
  entries ??= readEntries();
  return entries;
}

function readEntries(): string[] {
  try {
    const text = textOfBytes(Deno.readFileSync("/proc/self/environ"));
    return text.split("\0").filter((entry) => entry !== "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The value of a variable, or `undefined` when it is not set. The first of several counts. */
export function originalVariable(name: string): string | undefined {
  return originalEnvironment().find((entry) => entry.startsWith(`${name}=`))?.slice(
    name.length + 1,
  );
}

/** The variables as a record, for `Deno.Command` (with `clearEnv`). */
export function originalVariables(): Record<string, string> {
  const pairs = originalEnvironment().map((entry): [string, string] => {
    const equals = entry.indexOf("=", 1);
    return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
  });
  return Object.fromEntries(pairs.toReversed());
}

/**
 * The words of the command line behind the program's name, with the bytes that are no UTF-8 (`textOfBytes()`), which the
 * runtime has replaced.
 *
 * @param replaced as the runtime has them
 */
export function callerWords(replaced: readonly string[]): readonly string[] {
  const line = Deno.readFileSync("/proc/self/cmdline");
  const words: string[] = [];
  for (let at = 0; at < line.length;) {
    const end = line.indexOf(0, at);
    words.push(textOfBytes(line.subarray(at, end)));
    at = end + 1;
  }
  return words.slice(words.length - replaced.length);
}

/** The name that this program was called by (`argv[0]`); empty without /proc. */
export function calledName(): string {
  try {
    const [name = ""] = Deno.readTextFileSync("/proc/self/cmdline").split("\0", 1);
    return name;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
