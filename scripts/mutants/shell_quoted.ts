/** A word as a shell reads it back. */
export const shellQuoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
