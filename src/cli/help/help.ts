/** `rkt help`, `rkt help COMMAND` and `rkt COMMAND --help`, all of it from the table of commands. */

import { Failure } from "../../failure.ts";
import { type Command, GROUPS, type Invocation } from "../grammar/command.ts";
import { findCommand } from "../grammar/command_line.ts";
import type { Flag } from "../grammar/flags.ts";
import { GLOBAL_FLAGS } from "../grammar/global_flags.ts";
import { print } from "../print/output.ts";
import { type Definition, flagLine } from "./flag_line.ts";

/** The most and the fewest columns that help uses, whatever the terminal has. */
const WIDEST = 100;
const NARROWEST = 60;

/** `rkt help [COMMAND]`. */
export default async function run({ args, flags, commands }: Invocation): Promise<number> {
  const directory = flags.text("man");
  if (directory !== undefined) {
    const { writeManual } = await import("./manual.ts");
    writeManual(directory, commands);
    return 0;
  }
  print(helpText(args, columns(), commands));
  return 0;
}

/** Prints the help of one command, for its `--help`. */
export function showCommandHelp(command: Command, commands: readonly Command[]): number {
  print(commandHelp(command, columns(), commands));
  return 0;
}

/**
 * The text of `rkt help` with the words behind it: the overview, a family of commands, or one.
 *
 * @param width columns of the terminal
 * @param commands the table of all commands
 * @throws {Failure} no such command
 */
export function helpText(
  words: readonly string[],
  width: number,
  commands: readonly Command[],
): string {
  if (words.length === 0) return overview(commands, width);
  const family = commands.filter((command) => command.name.startsWith(`${words.join(" ")} `));
  if (family.length > 0 && !commands.some((command) => command.name === words.join(" "))) {
    return overview(family, width);
  }
  const { command, rest } = findCommand(words, commands);
  if (rest.length > 0) {
    throw new Failure(`"rkt ${command.name}" has no command ${JSON.stringify(rest[0])}`);
  }
  return commandHelp(command, width, commands);
}

/** The help of one command. */
export function commandHelp(
  command: Command,
  width: number,
  commands: readonly Command[],
): string {
  const missing = command.load === undefined ? " Not there yet." : "";
  const family = commands.filter((other) => other.name.startsWith(`${command.name} `));
  return [
    `${command.summary}.${missing}`,
    "",
    "Usage:",
    `  rkt ${command.name} ${command.usage}`.trimEnd(),
    "",
    ...(command.about ?? []).flatMap((text) => [...wrap(text, width), ""]),
    ...examples(command, width),
    ...flagSection(
      "Flags of the pod:",
      command.flags.filter((f) => f.scope !== "app"),
      command,
      width,
    ),
    ...flagSection(
      "Flags of an app:",
      command.flags.filter((f) => f.scope === "app"),
      command,
      width,
    ),
    ...family.length > 0 ? ["Commands:", ...commandLines(family, width), ""] : [],
    ...flagSection("Flags of every command:", GLOBAL_FLAGS, command, width),
  ].join("\n").trimEnd() + "\n";
}

function overview(commands: readonly Command[], width: number): string {
  const groups = GROUPS.map((group) =>
    [group, commands.filter((command) => command.group === group)] as const
  ).filter(([, list]) => list.length > 0);
  return [
    "rkt runs App Container images: each pod is a process of whoever started it, without a daemon.",
    "",
    "Usage:",
    "  rkt [flags] COMMAND [flags] [ARGUMENTS]",
    "",
    ...groups.flatMap(([group, list]) => [`${group}:`, ...commandLines(list, width), ""]),
    "Commands may be cut as long as they stay clear: rkt im li. Those marked (later) are not there",
    'yet. "rkt help COMMAND" explains one, with its flags and examples.',
    "",
    ...definitions("Flags of every command:", GLOBAL_FLAGS.map(flagLine), width),
  ].join("\n").trimEnd() + "\n";
}

function commandLines(commands: readonly Command[], width: number): readonly string[] {
  const lines = commands.map((command): Definition => [
    command.name,
    command.summary + (command.load === undefined ? " (later)" : ""),
  ]);
  return definitions(undefined, lines, width);
}

function examples(command: Command, width: number): readonly string[] {
  const lines = command.examples.flatMap((example) => {
    const [first = "", ...more] = wrap(example, width - 6);
    return [first, ...more.map((line) => `    ${line}`)].map((line, index, all) =>
      `  ${line}${index < all.length - 1 ? " \\" : ""}`
    );
  });
  return ["Examples:", ...lines, ""];
}

function flagSection(
  title: string,
  flags: readonly Flag[],
  command: Command,
  width: number,
): readonly string[] {
  if (flags.length === 0) return [];
  const heading = command.grammar === "apps" || flags === GLOBAL_FLAGS ? title : "Flags:";
  return [...definitions(heading, flags.map(flagLine), width), ""];
}

/** Terms and meanings in two columns; a long term stands on a line of its own. */
function definitions(
  heading: string | undefined,
  list: readonly Definition[],
  width: number,
): readonly string[] {
  const longest = Math.max(...list.map(([term]) => term.length));
  const indent = Math.min(longest, Math.floor(width * 0.3)) + 4;
  const lines = list.flatMap(([term, meaning]) => {
    const wrapped = wrap(meaning, width - indent).map((line) => " ".repeat(indent) + line);
    const first = `  ${term}`;
    if (first.length + 2 > indent) return [first, ...wrapped];
    return [first.padEnd(indent) + (wrapped[0] ?? "").trimStart(), ...wrapped.slice(1)];
  });
  return heading === undefined ? lines : [heading, ...lines];
}

/** Breaks a text between words into lines of at most `width` columns. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function columns(): number {
  let width = WIDEST;
  try {
    if (Deno.stdout.isTerminal()) width = Deno.consoleSize().columns;
  } catch {
    // No terminal, or one without a size.
  }
  return Math.max(NARROWEST, Math.min(WIDEST, width));
}
