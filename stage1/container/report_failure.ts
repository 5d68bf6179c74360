/** How a failure that another process has said over a pipe reaches the log of the engine that called. */
import { addressOf, mutableStruct, type Section, type Slot, slot, space } from "../engine/plan.ts";

/** Bytes of a failure's text: those that a pipe takes at once. */
const MOST_SAID = 4096;

/** Bytes of UTF-8. */
const size = (text: string) => new TextEncoder().encode(text).length;

/**
 * Writes what was said into the log, and to standard error where there is none.
 *
 * @param said the pipe
 * @param fd the log, opened to append
 * @param log what stands around the text
 * @param nothing where to go on if nothing was said; by default behind this
 */
export function reportFailure(
  s: Section,
  said: Slot,
  fd: number | undefined,
  log: readonly [before: string, after: string] | undefined,
  nothing = "nothing was said",
): void {
  const text = space("text", MOST_SAID);
  const length = slot("length");
  s.attempt("read why", "read", [said, text, MOST_SAID], {
    store: length,
    branch: { when: "less", operand: 1, to: nothing },
  });
  if (log === undefined || fd === undefined) {
    s.attempt("say why", "write", [2, text, length]);
  } else {
    const [before, after] = log;
    const line = mutableStruct(
      "iovec",
      ["before", 8, before],
      ["length", 8, size(before)],
      ["text", 8, addressOf(text)],
      ["length", 8, 0],
      ["after", 8, after],
      ["length", 8, size(after)],
    );
    // Without its line feed.
    s.compute("sub", [length, 1], { store: length });
    s.compute("put", [addressOf(line, 24), length]);
    s.attempt("say why in the log", "writev", [fd, line, 3]);
  }
  if (nothing === "nothing was said") s.label(nothing);
}
