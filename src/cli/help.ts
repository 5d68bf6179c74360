import { Failure } from "../failure.ts";
import type { Command, Invocation } from "./command.ts";

/** `rkt help [COMMAND]`. */
export default function run(_invocation: Invocation): Promise<number> {
  return Promise.reject(new Failure("not yet"));
}

/** Prints the help of one command. */
export function showCommandHelp(_command: Command): number {
  return 0;
}
