import { isDigit, isLetter } from "./characters.ts";
import { AppcError, shown } from "./error.ts";
import { array, field, object, string, unique } from "./json_value.ts";

/** One variable of an app's environment. */
export interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
}

/**
 * Checks the name of an environment variable (appc specification, "environment").
 *
 * @throws {AppcError}
 */
export function parseEnvironmentName(value: unknown, at = ""): string {
  if (typeof value !== "string" || !isName(value)) {
    throw new AppcError(
      at,
      `${shown(value)} is not a valid name of an environment variable: letters, digits and _ . -`,
    );
  }
  return value;
}

/**
 * Reads an environment, names unique.
 *
 * @throws {AppcError}
 */
export function parseEnvironment(value: unknown, at: string): readonly EnvironmentVariable[] {
  return unique(array(value, at, parseVariable), at, (variable) => variable.name);
}

function parseVariable(value: unknown, at: string): EnvironmentVariable {
  const variable = object(value, at);
  return {
    name: parseEnvironmentName(variable.name, field(at, "name")),
    value: string(variable.value, field(at, "value")),
  };
}

/** `[A-Za-z_][A-Za-z_0-9.-]*` */
function isName(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const inside = isDigit(code) || ".-".includes(text.charAt(index));
    if (!isLetter(code) && text[index] !== "_" && (!inside || index === 0)) return false;
  }
  return text !== "";
}
