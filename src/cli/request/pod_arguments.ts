import { Failure } from "../../failure.ts";
import type { Invocation } from "../grammar/command.ts";

/** Exit status where the file of `--uuid-file` can't be read. */
const UNREADABLE_UUID_FILE = 1;

/**
 * The pods that a command is about: its arguments, or the content of `--uuid-file`.
 *
 * @throws {Failure} if there are both, or neither
 */
export function podArguments(
  { command, args, flags }: Invocation,
): readonly [string, ...string[]] {
  const file = flags.text("uuid-file");
  if (file !== undefined) {
    if (args.length > 0) throw new Failure("give either UUIDs or --uuid-file, not both");
    return [uuidIn(file)];
  }
  const [first, ...others] = args;
  if (first === undefined) {
    throw new Failure(
      `which pod? \`rkt ${command.name} ${command.usage}\`; \`rkt list\` has UUIDs`,
    );
  }
  return [first, ...others];
}

/**
 * The one pod of a command that takes more than pods, and its other arguments.
 *
 * @throws {Failure} if the file can't be read
 */
export function podAndRest({ args, flags }: Pick<Invocation, "args" | "flags">): {
  readonly uuid: string;
  readonly rest: readonly string[];
} {
  const file = flags.text("uuid-file");
  if (file !== undefined) return { uuid: uuidIn(file), rest: args };
  const [uuid = "", ...rest] = args;
  return { uuid, rest };
}

function uuidIn(file: string): string {
  let text;
  try {
    text = Deno.readTextFileSync(file).trim();
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "no such file"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new Failure(`--uuid-file "${file}": ${why}`, UNREADABLE_UUID_FILE, { cause: error });
  }
  if (text === "") throw new Failure(`--uuid-file "${file}" is empty`, UNREADABLE_UUID_FILE);
  return text;
}
