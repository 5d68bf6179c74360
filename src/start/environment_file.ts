import { parseEnvironmentName } from "../appc/environment.ts";
import type { EnvironmentVariable } from "../appc/environment.ts";
import { AppcError } from "../appc/error.ts";
import { Failure } from "../failure.ts";
import { textOfBytes } from "../linux/bytes.ts";
import { reasonOf } from "../linux/reason.ts";

/**
 * Reads what `--set-env-file` names: lines of `NAME=VALUE`; empty ones and those that begin with
 * `#` or `;` don't count. A later line wins over an earlier one.
 *
 * @param text the file's content
 * @param file its path, for errors
 * @throws {Failure} names the file and the line
 */
export function parseEnvironmentFile(text: string, file: string): readonly EnvironmentVariable[] {
  const variables = new Map<string, EnvironmentVariable>();
  text.split("\n").forEach((raw, index) => {
    const line = raw.replace(/\r$/, "");
    if (line.trim() === "" || /^\s*[#;]/.test(line)) return;
    const at = `${file}, line ${index + 1}`;
    const variable = parseAssignment(line.trimStart(), at);
    variables.set(variable.name, variable);
  });
  return Array.from(variables.values());
}

/**
 * Reads `NAME=VALUE`; the value may be empty and may contain `=`.
 *
 * @param at where it stands, for errors
 * @throws {Failure}
 */
export function parseAssignment(text: string, at: string): EnvironmentVariable {
  const equals = text.indexOf("=");
  if (equals < 0) throw new Failure(`${at}: ${JSON.stringify(text)} is not of the form NAME=VALUE`);
  const value = text.slice(equals + 1);
  if (value.includes("\0")) throw new Failure(`${at}: the value contains a NUL character`);
  try {
    return { name: parseEnvironmentName(text.slice(0, equals)), value };
  } catch (error) {
    if (error instanceof AppcError) throw new Failure(`${at}: ${error.reason}`);
    throw error;
  }
}

/**
 * The variables in a file.
 *
 * @throws {Failure} where it can't be read, or a line is wrong
 */
export function readEnvironmentFile(path: string): readonly EnvironmentVariable[] {
  let text: string;
  try {
    text = textOfBytes(Deno.readFileSync(path));
  } catch (error) {
    throw new Failure(`--set-env-file: ${path} can't be read: ${reasonOf(error)}`, 254, {
      cause: error,
    });
  }
  return parseEnvironmentFile(text, path);
}
