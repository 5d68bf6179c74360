/** Which tests of root's suites a user other than root does not pass, and why: no test is left out without a reason. */

/** What a user has been given: ranges of users for his namespaces, or nothing. */
export const MODES = ["range", "one"] as const;
export type Mode = (typeof MODES)[number];

/** The files of the suites, below tests. */
export const SUITE: readonly string[] = ["pods", "isolation"].flatMap((folder) =>
  Array.from(Deno.readDirSync(new URL(`../${folder}`, import.meta.url)), ({ name }) => name)
    .filter((name) => name.endsWith("_test.ts")).sort().map((name) => `${folder}/${name}`)
);

/** Tests that are left out. */
export interface Skipped {
  readonly file: string;
  /** How their names begin; `all` of the file. */
  readonly tests: string;
  readonly why: string;
  /** In one mode only. */
  readonly mode?: Mode;
}

export const SKIPPED: readonly Skipped[] = [];

/** The beginnings of the names of tests that are left out of a file. */
export function skippedIn(mode: Mode, file: string): readonly string[] | "all" {
  const found = SKIPPED.filter((each) => each.file === file && (each.mode ?? mode) === mode);
  return found.some(({ tests }) => tests === "all") ? "all" : found.map(({ tests }) => tests);
}
