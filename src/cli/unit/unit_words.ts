/** Words as they stand in unit files: systemd.service(5) "Command lines", systemd.unit(5) "Specifiers". */

/** A word of a command: as the program is to get it, or as systemd is to read it, with its specifiers. */
export type UnitWord = string | { readonly raw: string };

/** Text in which `%` means nothing. */
export const specifierFree = (text: string): string => text.replaceAll("%", "%%");

/**
 * A line for `ExecStart=`.
 *
 * @param template whether `%i` and its like keep their meaning in all words
 */
export function commandLine(words: readonly UnitWord[], template: boolean): string {
  return words.map((word) => {
    if (typeof word !== "string") return word.raw;
    return quoted(template ? word : specifierFree(word));
  }).join(" ");
}

/** What needs no quotes: it holds no space, quote, variable or backslash. */
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

function quoted(word: string): string {
  if (PLAIN.test(word)) return word;
  return `"${Array.from(word.replaceAll("$", "$$$$"), escape).join("")}"`;
}

function escape(character: string): string {
  if (character === '"' || character === "\\") return `\\${character}`;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x20 && code !== 0x7f) return character;
  return `\\x${code.toString(16).padStart(2, "0")}`;
}
