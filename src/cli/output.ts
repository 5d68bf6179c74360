/** What commands print on standard output: text, tables, JSON, times. */

/**
 * Writes text to standard output, whole. Ends the program quietly where the reader has gone, like
 * `head` does: with 141, the status of a death by SIGPIPE, which Deno ignores.
 */
export function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(141);
    throw error;
  }
}

/** Writes one line to standard output. */
export function printLine(line: string): void {
  print(line + "\n");
}
