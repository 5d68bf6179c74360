/** From the words of a command line to a command and what was asked of it. */

import { Failure } from "../../failure.ts";
import type { AppArguments, Command, Invocation } from "./command.ts";
import { type Flag, flagsOf, flagTable, isFlag, type RawFlags, readFlag } from "./flags.ts";
import { GLOBAL_FLAG_TABLE, GLOBAL_FLAGS, globalFlags } from "./global_flags.ts";
import { UnknownWord } from "./unknown_word.ts";
import { suggestion } from "./suggest.ts";

/** A command that was found, and the words that were not read yet. */
export interface FoundCommand {
  readonly command: Command;
  /** The table that it was found in. */
  readonly commands: readonly Command[];
  /** Behind the command's name. */
  readonly rest: readonly string[];
  /** Global flags that stood before or inside the command's name. */
  readonly raw: RawFlags;
}

/** What the words of a command line say. */
type ReadLine = Omit<Invocation, "commands">;

/** Exit status where no command was named, as rkt has always had it. */
const NO_COMMAND = 2;

/**
 * Finds the command that a command line names. Each word of its name may be cut as long as it stays
 * the only one of its kind: `rkt im li`.
 *
 * @throws {Failure} none named (exit status 2), unknown or ambiguous
 */
export function findCommand(argv: readonly string[], table: readonly Command[]): FoundCommand {
  const first = exact(argv.slice(0, 1), table);
  // The way of `rkt run`: nothing to make out.
  if (first?.grammar === "apps") {
    return { command: first, commands: table, rest: argv.slice(1), raw: new Map() };
  }
  const raw: RawFlags = new Map();
  const words: string[] = [];
  const early: string[] = [];
  let index = 0;
  while (index < argv.length) {
    const word = argv[index] ?? "";
    if (isFlag(word)) {
      // Behind a whole name stand the command's own flags too.
      if (exact(words, table) !== undefined) break;
      if (word === "--version") {
        return { command: named("version", table), commands: table, rest: [], raw };
      }
      const end = behindCommandFlag(argv, index, table);
      if (end === undefined) index = readFlag(argv, index, GLOBAL_FLAG_TABLE, () => raw);
      else {
        early.push(...argv.slice(index, end));
        index = end;
      }
      continue;
    }
    const next = nextWord(words, word, table);
    if (next === undefined) break;
    words.push(next);
    index++;
  }
  const command = exact(words, table);
  if (command !== undefined) {
    return { command, commands: table, rest: [...early, ...argv.slice(index)], raw };
  }
  if (raw.delete("help")) {
    return { command: named("help", table), commands: table, rest: words, raw };
  }
  throw new Failure(missing(words, table), NO_COMMAND);
}

/**
 * The index behind a flag that is not global but some command's, and its value: it may stand before the command's name. What
 * the command itself makes of it is seen later.
 */
function behindCommandFlag(
  argv: readonly string[],
  index: number,
  table: readonly Command[],
): number | undefined {
  const word = argv[index] ?? "";
  const equals = word.indexOf("=");
  const name = equals < 0 ? word : word.slice(0, equals);
  if (GLOBAL_FLAG_TABLE.has(name)) return undefined;
  const flag = flagTable(...table.map(({ flags }) => flags)).get(name);
  if (flag === undefined) return undefined;
  const alone = equals >= 0 || flag.bare !== undefined || flag.kind === "switch" ||
    flag.kind === "wait";
  return alone ? index + 1 : index + 2;
}

/**
 * Reads the flags and arguments of a command.
 *
 * @throws {Failure} names the flag or argument that is wrong
 */
export function readInvocation({ command, commands, rest, raw }: FoundCommand): Invocation {
  const read = command.grammar === "apps" ? readApps : readArguments;
  return { ...read(command, rest, raw), commands };
}

function named(name: string, table: readonly Command[]): Command {
  const command = exact([name], table);
  if (command === undefined) throw new TypeError(`the table has no command ${name}`);
  return command;
}

function exact(words: readonly string[], table: readonly Command[]): Command | undefined {
  const name = words.join(" ");
  return table.find((command) => command.name === name);
}

/** The full form of the next word of a command's name; `undefined` where the name is complete. */
function nextWord(
  words: readonly string[],
  word: string | undefined,
  table: readonly Command[],
): string | undefined {
  if (word === undefined) return undefined;
  const known = followers(words, table);
  if (known.includes(word)) return word;
  // `trust` is a command and the beginning of others: what follows it may be an argument.
  if (known.length === 0 || exact(words, table) !== undefined) return undefined;
  const matches = known.filter((each) => each.startsWith(word));
  if (matches.length === 1) return matches[0];
  const called = words.length === 0 ? "command" : `command of "rkt ${words.join(" ")}"`;
  if (matches.length > 1 && word !== "") {
    throw new Failure(
      `${JSON.stringify(word)} is short for ${matches.join(", ")}: write more of it`,
    );
  }
  const hint = suggestion(word, known) || '; "rkt help" lists them all';
  const begin = `unknown ${called} ${JSON.stringify(word)}`;
  throw new UnknownWord("command", words.length === 0 ? word : "", begin, hint);
}

/** The words that can follow the first words of a command's name. */
function followers(words: readonly string[], table: readonly Command[]): readonly string[] {
  const start = words.map((word) => `${word} `).join("");
  const next = table.filter((command) => command.name.startsWith(start))
    .map((command) => command.name.slice(start.length).split(" ")[0] ?? "");
  return Array.from(new Set(next));
}

function missing(words: readonly string[], table: readonly Command[]): string {
  if (words.length === 0) return 'no command given; "rkt help" lists them';
  const next = followers(words, table).join(", ");
  return `"rkt ${words.join(" ")}" needs one of the words ${next} behind it`;
}

function readArguments(
  command: Command,
  rest: readonly string[],
  raw: RawFlags,
): ReadLine {
  const table = flagTable(command.flags, GLOBAL_FLAGS);
  const own: RawFlags = new Map();
  const args: string[] = [];
  const place = (flag: Flag) => GLOBAL_FLAGS.includes(flag) ? raw : own;
  let index = 0;
  while (index < rest.length) {
    const word = rest[index] ?? "";
    if (
      word === "--" || (command.grammar === "command" && args.length > (own.has(UUID_FILE) ? 0 : 1))
    ) {
      args.push(...rest.slice(word === "--" ? index + 1 : index));
      break;
    }
    if (isFlag(word)) {
      index = readFlag(rest, index, table, place);
    } else {
      args.push(word);
      index++;
    }
  }
  const global = globalFlags(raw);
  if (!global.help) checkCount(command, args, own.has(UUID_FILE) && command.podInPath !== true);
  return {
    command,
    flags: flagsOf(table, own),
    args,
    apps: [],
    global,
  };
}

/** The flag that stands for the argument that names a pod. */
const UUID_FILE = "uuid-file";

function checkCount(command: Command, args: readonly string[], podIsGiven: boolean): void {
  const [all, atMost] = command.arguments ?? [0, Infinity];
  // Where the pod may be missing, the command itself says what is wrong.
  const [least, most] = podIsGiven && all > 0 ? [all - 1, atMost - 1] : [all, atMost];
  const usage = `usage: rkt ${command.name} ${command.usage}`.trimEnd();
  if (args.length < least) {
    throw new Failure(
      `${args.length === 0 ? "an argument" : "another argument"} is needed; ${usage}`,
    );
  }
  if (args.length > most) {
    throw new Failure(`${JSON.stringify(args[most])} is one argument too many; ${usage}`);
  }
}

function readApps(command: Command, rest: readonly string[], raw: RawFlags): ReadLine {
  const table = flagTable(command.flags, GLOBAL_FLAGS);
  const pod: RawFlags = new Map();
  const apps: { image: string; raw: RawFlags; args: string[]; closed: boolean }[] = [];
  const place = (flag: Flag): RawFlags => {
    if (GLOBAL_FLAGS.includes(flag)) return raw;
    const last = apps.at(-1);
    if (flag.scope === undefined || (flag.scope === "app or pod" && last === undefined)) return pod;
    if (last === undefined) {
      throw new Failure(`--${flag.name} belongs to an image: put it behind the image's name`);
    }
    return last.raw;
  };
  let index = 0;
  while (index < rest.length) {
    const word = rest[index] ?? "";
    const last = apps.at(-1);
    if (word === "--") {
      if (last === undefined) throw new Failure('an image is needed before "--"');
      if (last.closed) throw new Failure(`image ${last.image} has arguments ("--") twice`);
      const end = rest.indexOf("---", index);
      last.args.push(...rest.slice(index + 1, end < 0 ? undefined : end));
      last.closed = true;
      index = end < 0 ? rest.length : end + 1;
    } else if (word === "---") {
      index++;
    } else if (isFlag(word)) {
      index = readFlag(rest, index, table, place);
    } else {
      apps.push({ image: word, raw: new Map(), args: [], closed: false });
      index++;
    }
  }
  return {
    command,
    flags: flagsOf(table, pod),
    args: [],
    apps: apps.map((app): AppArguments => ({
      image: app.image,
      flags: flagsOf(table, app.raw),
      args: app.args,
    })),
    global: globalFlags(raw),
  };
}
