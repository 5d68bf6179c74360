/**
 * The command line, from its words to an exit status:
 *
 *     argv → a command of the table → its flags and arguments → the command's own file
 *
 * Nothing is loaded that the command doesn't need: each one is a file of this directory and, in the built
 * program, a chunk of its own. What `rkt run` does from there on: run.ts.
 */

import { AppcError } from "../appc/error.ts";
import type { Invocation } from "./grammar/command.ts";
import { findCommand, readInvocation } from "./grammar/command_line.ts";
import { COMMANDS } from "./table/commands.ts";
import { internalCommands } from "./table/internal_commands.ts";
import { Failure } from "../failure.ts";
import { KernelError } from "../linux/errno.ts";

/** Exit status for rkt's own errors; below it are the statuses of apps. */
const FAILED = 254;

/**
 * Does what a command line asks for.
 *
 * @param argv the words behind the program's name
 * @returns the exit status
 */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === "__complete") {
    const { answerShell } = await import("./help/completion.ts");
    return await answerShell(argv.slice(1), COMMANDS);
  }
  let speaker = "rkt";
  let debug = argv.includes("--debug");
  try {
    const internal = internalCommands(argv);
    const found = findCommand(argv, internal.length > 0 ? internal : COMMANDS);
    speaker = found.command.name.split(" ").at(-1) ?? speaker;
    const invocation = readInvocation(found);
    debug = invocation.global.debug;
    return await run(invocation);
  } catch (error) {
    return report(speaker, error, debug);
  }
}

/** Loads the command's file and runs it. */
async function run(invocation: Invocation): Promise<number> {
  const { command, commands, global } = invocation;
  if (global.help) {
    const { showCommandHelp } = await import("./help/help.ts");
    return showCommandHelp(command, commands);
  }
  if (command.load === undefined) {
    throw new Failure(`not yet: ${command.later ?? "this version of rkt can't do it"}`);
  }
  const { default: runCommand } = await command.load();
  return await runCommand(invocation);
}

/** Prints what went wrong in one line, with `debug` where it happened too. */
export function report(speaker: string, error: unknown, debug: boolean): number {
  const message = error instanceof Error ? error.message : String(error);
  // Names out of images and archives may hold what a terminal obeys.
  // deno-lint-ignore no-control-regex
  const line = message.trim().replace(/\s*\n\s*/g, "; ").replace(/[\x00-\x1f\x7f-\x9f]/g, "\ufffd");
  const prefix = isExpected(error) ? "" : "this is a bug in rkt (--debug shows where): ";
  console.error(`${speaker}: ${prefix}${line}${hint(error)}`);
  if (debug && error instanceof Error) console.error(details(error));
  return error instanceof Failure ? error.exitCode : FAILED;
}

/** Whether an error is about the input or the system; whatever else is thrown is a bug. */
function isExpected(error: unknown): boolean {
  if (error instanceof Failure || error instanceof AppcError) return true;
  if (error instanceof KernelError) return true;
  // Deno's own errors of system calls: a full disk can turn up anywhere.
  return error instanceof Error && "code" in error && /^E[A-Z0-9]+$/.test(String(error.code));
}

/** What to do where the kernel refused something to a person who is not root. */
function hint(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return Deno.uid() !== 0 && (code === "EACCES" || code === "EPERM") ? "; try it as root" : "";
}

/** The stack of an error, and of each error that caused it. */
function details(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by ${details(error.cause)}` : stack;
}
