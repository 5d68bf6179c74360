/**
 * Text that others wrote, for a person. Names of images, labels, paths, what servers answer: whatever rkt did not write itself
 * goes through here, or it could move the cursor, hide what stands before it, or look like a line of rkt's own.
 */

/**
 * What a terminal obeys, or shows in another order: C0 and C1 controls, the separators of lines, what changes the direction of
 * text (Unicode Standard Annex #9), tags and other characters without a shape.
 */
const OBEYED =
  // deno-lint-ignore no-control-regex
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

const REPLACEMENT = "\ufffd";

/** Replaces each character that a terminal obeys, but line feeds and tabs. */
export function replaceObeyed(text: string, by: (character: string) => string): string {
  return text.replace(OBEYED, by);
}

/** Text of several lines, with tabs. */
export const printableText = (text: string): string => replaceObeyed(text, () => REPLACEMENT);

/** Text that is to stay in one line. */
export function printableLine(text: string): string {
  return printableText(text).replace(/[\t\n]/g, REPLACEMENT);
}

/** Writes a line for a person to standard error. */
export function printNote(line: string): void {
  console.error(printableLine(line));
}

/** The same characters as JSON has them, which means the same to a program. */
export function escapedInJson(json: string): string {
  return replaceObeyed(json, (character) => {
    const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}
