/** What commands print on standard output: text, tables, JSON, times. */

/**
 * Writes text to standard output, whole. Ends the program quietly where the reader has gone, like
 * `head` does: with 141, the status of a death by SIGPIPE, which Deno ignores.
 */
export function print(text: string): void {
  printBytes(new TextEncoder().encode(text));
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
  print(line + "\n");
}
