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

/** The specifiers of systemd.unit(5) that are directories or paths. */
const PATHS = "CdDEfhLsStTVyY";

/** Words in which each specifier has a value that it may come to have, and the way back. */
export interface SampledWords {
  readonly words: readonly string[];
  /** Puts the specifiers back into what was made of the words. */
  restore(text: string): string;
}

/**
 * Words of a template as rkt will get them, so that they can be checked before systemd knows the instance. The value is a number of
 * two digits, because that is a name, a version, a port, a user and a part of an address; where the specifier is a path, it is one.
 * The digits differ from one another and stand together in no word, so that no other text is taken for them.
 */
export function sampleSpecifiers(words: readonly string[]): SampledWords {
  const text = words.join("\n");
  const free = Array.from({ length: 90 }, (_, i) => `${i + 10}`)
    .filter((number) => number[0] !== number[1] && !text.includes(number));
  const values = new Map([["%%", "%"]]);
  const sampled = words.map((word) =>
    word.replace(/%./gs, (specifier) => {
      const known = values.get(specifier);
      if (known !== undefined) return known;
      const number = free.shift();
      if (number === undefined) return specifier;
      const value = PATHS.includes(specifier.slice(1)) ? `/${number}` : number;
      values.set(specifier, value);
      return value;
    })
  );
  const back = new Map(Array.from(values, ([specifier, value]) => [value, specifier]));
  const any = new RegExp([...back.keys()].join("|"), "g");
  return {
    words: sampled,
    restore: (text) => text.replace(any, (value) => back.get(value) ?? value),
  };
}
