/**
 * The command line, from its words to an exit status:
 *
 *     argv → a command of the table → its flags and arguments → the command's own file
 *
 * Only the command's own file is loaded. In the built program it is a chunk of its own. `rkt run` goes on in
 * pod/run.ts.
 */

import { isHostRoot } from "../linux/own_users.ts";
import { printableText, printNote } from "../linux/printable.ts";
import type { Command, Invocation } from "./grammar/command.ts";
import { findCommand, readInvocation } from "./grammar/command_line.ts";
import { FREQUENT_COMMANDS, isFrequent } from "./table/frequent_commands.ts";
import { withConfiguration } from "./request/configured.ts";
import { internalCommands } from "./table/internal_commands.ts";
import { Failure } from "../failure.ts";
import { checkDataDirectory } from "../config/check_data_directory.ts";
import { UnknownWord } from "./grammar/unknown_word.ts";

/** Exit status for rkt's own errors; below it are the statuses of apps. */
const FAILED = 254;

/**
 * Runs a command line.
 *
 * @param argv the words behind the program's name
 * @returns the exit status
 */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === "__complete") {
    const { answerShell } = await import("./help/completion.ts");
    return await answerShell(argv.slice(1), await allCommands());
  }
  if (argv[0] === "oci") {
    const { oci } = await import("./oci/oci.ts");
    return await oci(argv.slice(1));
  }
  let speaker = "rkt";
  let debug = argv.includes("--debug");
  try {
    const internal = internalCommands(argv);
    const table = internal.length > 0
      ? internal
      : isFrequent(argv)
      ? FREQUENT_COMMANDS
      : await allCommands();
    const found = findCommand(argv, table);
    speaker = found.command.name.split(" ").at(-1) ?? speaker;
    const invocation = readInvocation(found);
    debug = invocation.global.debug;
    if (!argv.every((word) => word.isWellFormed())) {
      (await import("./grammar/byte_words.ts")).checkBytes(argv, invocation);
    }
    return await run(invocation);
  } catch (error) {
    return await report(speaker, error, debug);
  }
}

async function allCommands(): Promise<readonly Command[]> {
  return (await import("./table/commands.ts")).COMMANDS;
}

/** Loads the command's file and runs it. */
async function run(invocation: Invocation): Promise<number> {
  const { command, commands, global } = invocation;
  if (global.help) {
    const { showCommandHelp } = await import("./help/help.ts");
    return showCommandHelp(
      command,
      commands === FREQUENT_COMMANDS ? await allCommands() : commands,
    );
  }
  if (command.load === undefined) {
    throw new Failure(`not yet: ${command.unsupported ?? "this version of rkt can't do it"}`);
  }
  const configured = await withConfiguration(await forCallingUser(invocation));
  checkDataDirectory(configured.global.dir);
  if (Deno.uid() !== 0) {
    const { enterNamespace } = await import("./request/rootless.ts");
    await enterNamespace(configured);
  }
  const { default: runCommand } = await command.load();
  if (commands !== FREQUENT_COMMANDS && STORE.has(command.group)) await noteSudo(configured);
  try {
    return await runCommand(configured);
  } catch (error) {
    if (!isHostRoot()) await (await import("./request/rootless.ts")).leaveStart(configured.global);
    else if (commands === FREQUENT_COMMANDS) await noteSudo(configured);
    throw error;
  }
}

/** Groups of commands that work on a store. */
const STORE: ReadonlySet<string> = new Set(["Pods", "Images"]);

/** Says whose store it is, where that may surprise; not on the way of each start. */
async function noteSudo({ command: { name }, global }: Invocation): Promise<void> {
  if (!isHostRoot()) return;
  const { sudoNote } = await import("./request/users/sudo_note.ts");
  const note = sudoNote(global);
  if (note !== undefined) printNote(`${name.split(" ").at(-1)}: ${note}`);
}

/** An invocation with the directories of a user other than root: of one who runs rkt, or for whom it is root of a namespace. */
async function forCallingUser(invocation: Invocation): Promise<Invocation> {
  if (isHostRoot()) return invocation;
  const { withUserDirectories } = await import("./request/rootless.ts");
  return { ...invocation, global: withUserDirectories(invocation.global) };
}

/** Prints an error as one line; with `debug` its stack too. */
export async function report(speaker: string, thrown: unknown, debug: boolean): Promise<number> {
  const { errorLine, firstError } = await import("./print/error_line.ts");
  const first = firstError(thrown);
  const error = first instanceof UnknownWord
    ? (await import("./grammar/docker_words.ts")).withHint(first, speaker, await allCommands())
    : first;
  printNote(`${speaker}: ${errorLine(error)}`);
  if (debug && error instanceof Error) console.error(printableText(details(error)));
  return error instanceof Failure ? error.exitCode : FAILED;
}

/** The stack of an error, and of each error that caused it. */
function details(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by ${details(error.cause)}` : stack;
}
