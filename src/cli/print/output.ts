/** What commands print on standard output: text, tables, JSON, times. */

import { printableLine, printableText } from "../../linux/printable.ts";

/**
 * Writes text of several lines to standard output, without control characters of terminals. If the reader has gone, as
 * `head` does, ends the program with 141: the status of a death by SIGPIPE, which Deno ignores.
 */
export function print(text: string): void {
  printBytes(new TextEncoder().encode(printableText(text)));
}

/** Writes bytes, as {@linkcode print} writes text. */
export function printBytes(
  bytes: Uint8Array,
  to: Pick<typeof Deno.stdout, "writeSync"> = Deno.stdout,
): void {
  try {
    for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(141);
    throw error;
  }
}

/** Writes one line to standard output. */
export function printLine(line: string): void {
  print(printableLine(line) + "\n");
}

/** Writes lines to standard output, and a line feed behind them: JSON on lines of its own. */
export function printLines(text: string): void {
  print(text + "\n");
}
