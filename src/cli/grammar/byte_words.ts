/** Which words of a command line may have bytes that are no UTF-8: what is handed on to apps and to the kernel as it is. */
import { Failure } from "../../failure.ts";
import type { Invocation } from "./command.ts";

/** Flags whose values are handed on. */
const FLAGS: readonly string[] = [
  "set-env",
  "environment",
  "volume",
  "mount",
  "exec",
  "working-dir",
];

/**
 * Refuses words that would become others: names of rkt's own files, and what is compared with other texts.
 *
 * @throws {Failure} names the word
 */
export function checkBytes(
  argv: readonly string[],
  { command, apps, args }: Pick<Invocation, "command" | "apps" | "args">,
): void {
  const handedOn = new Set([
    ...apps.flatMap((app) => app.args),
    ...command.grammar === "command" ? args : [],
  ]);
  argv.forEach((word, index) => {
    if (word.isWellFormed() || handedOn.has(word)) return;
    const [, flag = ""] = /^--([^=]*)=/s.exec(word) ?? /^--(.*)$/s.exec(argv[index - 1] ?? "") ??
      [];
    if (FLAGS.includes(flag)) return;
    throw new Failure(
      `${
        JSON.stringify(word)
      } is no UTF-8, which rkt takes in arguments, variables, volumes and their targets only; ` +
        "rename what it stands for, or hand an image in by standard input",
    );
  });
}
