/** Flags in the way of Go's pflag, which rkt has always used: `--name=value`, `--name value`. */

import { Failure } from "../../failure.ts";
import { parseDuration } from "./duration.ts";
import { UnknownWord } from "./unknown_word.ts";
import { suggestion } from "./suggest.ts";

/** One flag of a command. */
export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  readonly kind: FlagKind;
  /** What the value is, in help: `DURATION`; by default a word for the kind. */
  readonly value?: string;
  /** The value where the flag is not given, as it would be written. */
  readonly default?: string;
  /** What `--name` alone means; another value then needs `--name=value`. */
  readonly bare?: string;
  /** The values that are allowed; any by default. */
  readonly oneOf?: readonly string[];
  /** What it does: a sentence without a full stop. */
  readonly help: string;
  /** In the grammar `apps`: of one image, or of all when it stands before the first. */
  readonly scope?: "app" | "app or pod";
  /** One letter, for `-h`. */
  readonly short?: string;
  /** Names that older versions used. */
  readonly aliases?: readonly string[];
  /** Why it can't be used yet: "it comes with …". */
  readonly unsupported?: string;
}

/**
 * What a flag's value is:
 * - `switch`: true or false; `--name` alone is true;
 * - `text`, `number` (whole, not negative), `duration` (`1h30m`, in milliseconds);
 * - `texts`: may be repeated;
 * - `list`: may be repeated, and holds several values with commas between them;
 * - `wait`: a switch or a duration;
 * - `mode`: a switch or a word of `oneOf`.
 */
export type FlagKind =
  | "switch"
  | "text"
  | "number"
  | "duration"
  | "texts"
  | "list"
  | "wait"
  | "mode";

/** The flags of one command, as they were given. Asking for one that the table lacks is a bug. */
export interface Flags {
  /** Whether the command line has the flag at all. */
  isSet(name: string): boolean;
  /** A `switch`; false by default. */
  on(name: string): boolean;
  /** A `text`: the last one given, or the default; `undefined` where there is neither. */
  text(name: string): string | undefined;
  /** A `number`. */
  number(name: string): number | undefined;
  /** A `duration` in milliseconds. */
  duration(name: string): number | undefined;
  /** All values of `texts` or a `list`. */
  all(name: string): readonly string[];
  /** A `wait`: milliseconds, `Infinity` for a mere `--name`, `undefined` where not wanted. */
  wait(name: string): number | undefined;
  /** A `mode`: its word, `true` for a mere `--name`, `false` where not wanted. */
  mode(name: string): string | boolean;
}

/** Flags by every word that calls them: `--name`, `--old-name`, `-n`. */
export type FlagTable = ReadonlyMap<string, Flag>;

/** The table to look the flags of several lists up in; of two of the same name the first counts. */
export function flagTable(...lists: readonly (readonly Flag[])[]): FlagTable {
  const table = new Map<string, Flag>();
  for (const list of lists) {
    for (const flag of list) {
      const words = [flag.name, ...flag.aliases ?? []].map((name) => `--${name}`);
      if (flag.short !== undefined) words.push(`-${flag.short}`);
      for (const word of words) if (!table.has(word)) table.set(word, flag);
    }
  }
  return table;
}

/** The texts that were given for each flag, in their order. */
export type RawFlags = Map<string, string[]>;

const TRUE: readonly string[] = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE: readonly string[] = ["0", "f", "F", "FALSE", "false", "False"];

/** Whether an argument is a flag: a lone `-` stands for standard input, `--` and `---` for ends. */
export function isFlag(argument: string): boolean {
  return argument.length > 1 && argument.startsWith("-") && argument !== "--" && argument !== "---";
}

/**
 * Reads the flag at `argv[index]`, checks its value and adds it to what `place` gives for it.
 *
 * @param table flags to look for it in
 * @param place where the values of a flag go; called before the value is read
 * @returns the index behind the flag and its value
 * @throws {Failure} no such flag, no value, or a bad one
 */
export function readFlag(
  argv: readonly string[],
  index: number,
  table: FlagTable,
  place: (flag: Flag) => RawFlags,
): number {
  const word = argv[index] ?? "";
  const equals = word.indexOf("=");
  const name = equals < 0 ? word : word.slice(0, equals);
  const flag = table.get(name) ?? unknownFlag(name, table);
  const raw = place(flag);
  const bare = flag.bare ?? (SWITCHES.has(flag.kind) ? "true" : undefined);
  const value = equals >= 0 ? word.slice(equals + 1) : bare ?? argv[index + 1];
  if (value === undefined) throw new Failure(`--${flag.name} needs a value`);
  checkValue(flag, value);
  const values = flag.kind === "list" ? value.split(",").filter((each) => each !== "") : [value];
  raw.set(flag.name, [...raw.get(flag.name) ?? [], ...values]);
  return equals >= 0 || bare !== undefined ? index + 1 : index + 2;
}

/** Kinds whose `--name` alone is true, and takes no value from the next word. */
export const SWITCHES: ReadonlySet<FlagKind> = new Set(["switch", "wait", "mode"]);

/** Typed access to flags that were checked by {@linkcode readFlag}. */
export function flagsOf(table: FlagTable, raw: RawFlags): Flags {
  const values = (name: string, ...kinds: FlagKind[]): readonly string[] => {
    const flag = table.get(`--${name}`);
    if (flag === undefined || !kinds.includes(flag.kind)) {
      throw new TypeError(`no flag --${name} of kind ${kinds.join(" or ")} in the table`);
    }
    return raw.get(name) ?? (flag.default === undefined ? [] : [flag.default]);
  };
  const last = (name: string, kind: FlagKind) => values(name, kind).at(-1);
  const mapped = <T>(text: string | undefined, read: (text: string) => T) =>
    text === undefined ? undefined : read(text);
  return {
    isSet: (name) => raw.has(name),
    on: (name) => TRUE.includes(last(name, "switch") ?? "false"),
    text: (name) => last(name, "text"),
    number: (name) => mapped(last(name, "number"), Number),
    duration: (name) => mapped(last(name, "duration"), parseDuration),
    all: (name) => values(name, "texts", "list"),
    wait: (name) => mapped(last(name, "wait"), waitTime),
    mode: (name) => {
      const word = last(name, "mode") ?? "false";
      return isSwitch(word) ? TRUE.includes(word) : word;
    },
  };
}

function unknownFlag(word: string, table: FlagTable): never {
  const known = word.startsWith("--") ? Array.from(table.keys()) : [];
  throw new UnknownWord("flag", word, `unknown flag ${word}`, suggestion(word, known, String));
}

function checkValue(flag: Flag, value: string): void {
  const wrong = WRONG[flag.kind](value);
  const allowed = flag.oneOf;
  if (wrong !== undefined) throw new Failure(`--${flag.name}: ${JSON.stringify(value)} ${wrong}`);
  if (flag.kind === "mode" && isSwitch(value)) return;
  const values = flag.kind === "list" ? value.split(",") : [value];
  const stranger = values.find((each) => allowed !== undefined && !allowed.includes(each));
  if (stranger !== undefined) {
    const words = (allowed ?? []).join(", ");
    throw new Failure(`--${flag.name}: ${JSON.stringify(stranger)} is not one of ${words}`);
  }
  if (flag.unsupported !== undefined && value !== flag.default && !FALSE.includes(value)) {
    throw new Failure(`--${flag.name}: not yet: ${flag.unsupported}`);
  }
}

/** What is wrong with a value of each kind; `undefined` where nothing is. */
const WRONG: Readonly<Record<FlagKind, (value: string) => string | undefined>> = {
  switch: (value) => isSwitch(value) ? undefined : "is neither true nor false",
  text: () => undefined,
  texts: () => undefined,
  list: () => undefined,
  number: (value) => isWholeNumber(value) ? undefined : "is not a whole number",
  duration: wrongDuration,
  mode: () => undefined,
  wait: (value) => isSwitch(value) ? undefined : wrongDuration(value),
};

function isSwitch(value: string): boolean {
  return TRUE.includes(value) || FALSE.includes(value);
}

function isWholeNumber(value: string): boolean {
  return /^\d{1,15}$/.test(value);
}

function wrongDuration(value: string): string | undefined {
  if (isWholeNumber(value) && value !== "0") return `has no unit: ${value}s are ${value} seconds`;
  return Number.isNaN(parseDuration(value)) ? "is not a duration like 90s or 1h30m" : undefined;
}

function waitTime(value: string): number | undefined {
  if (TRUE.includes(value)) return Infinity;
  return FALSE.includes(value) ? undefined : parseDuration(value);
}
