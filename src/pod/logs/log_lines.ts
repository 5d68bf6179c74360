/** Lines out of the chunks in which apps have written them. */
import { replaceObeyed } from "../../linux/printable.ts";
import type { LogRecord } from "./log_records.ts";

/** A line of an app's log. */
export interface LogLine {
  readonly app: string;
  /** The record in which it begins. */
  readonly record: LogRecord;
  /** Its bytes without the line feed. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Longer lines are cut into pieces, so that no app can fill the reader's memory. */
const LONGEST = 64 * 1024;

const LINE_FEED = 10;

interface Begun {
  readonly app: string;
  readonly record: LogRecord;
  readonly parts: Uint8Array<ArrayBuffer>[];
  length: number;
}

/** Puts lines together: a line of one stream may be interrupted by those of others. */
export class LogLines {
  readonly #begun = new Map<string, Begun>();

  /** The lines that end with a record. */
  *add(app: string, record: LogRecord): Generator<LogLine, void> {
    const key = `${app} ${record.stream}`;
    let from = 0;
    while (from < record.content.length) {
      const end = record.content.indexOf(LINE_FEED, from);
      const piece = record.content.subarray(from, end < 0 ? undefined : end);
      const begun = this.#begun.get(key);
      if (begun === undefined && end >= 0) { // nearly every line
        from = end + 1;
        yield { app, record, bytes: piece };
        continue;
      }
      const line = begun ?? { app, record, parts: [], length: 0 };
      line.parts.push(piece);
      line.length += piece.length;
      from += piece.length + 1;
      if (end < 0 && line.length < LONGEST) {
        this.#begun.set(key, line);
        return;
      }
      this.#begun.delete(key);
      yield whole(line);
    }
  }

  /** What was written without a line feed at its end, when nothing can follow. */
  *rest(): Generator<LogLine, void> {
    for (const line of this.#begun.values()) yield whole(line);
    this.#begun.clear();
  }
}

function whole({ app, record, parts, length }: Begun): LogLine {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { app, record, bytes };
}

/**
 * Text of an app for a person's terminal: no control characters but tabs and changes of colour, so that it can't
 * move the cursor, change the title or type for the reader.
 */
export function harmless(text: string): string {
  // Colours are every second part.
  const parts = text.replace(/\r+$/, "").split(COLOUR);
  const shown = parts.map((part, i) => i % 2 === 1 ? part : replaceObeyed(part, escaped)).join("");
  // Else the next line, which may be rkt's or the shell's, would have its colours.
  const last = parts.length > 1 ? parts.at(-2) : undefined;
  return last === undefined || RESET.test(last) ? shown : `${shown}\x1b[0m`;
}

// deno-lint-ignore no-control-regex
const COLOUR = /(\x1b\[[0-9;]{0,40}m)/;
// deno-lint-ignore no-control-regex
const RESET = /^\x1b\[0*m$/;

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 256
    ? `\\x${code.toString(16).padStart(2, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
