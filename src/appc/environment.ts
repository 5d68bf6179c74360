import { AppcError, shown } from "./error.ts";
import { array, field, object, string, unique } from "./json_value.ts";

/** One variable of an app's environment. */
export interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
}

const NAME = /^[A-Za-z_][A-Za-z_0-9.-]*$/;

/**
 * Checks the name of an environment variable (appc specification, "environment").
 *
 * @throws {AppcError}
 */
export function parseEnvironmentName(value: unknown, at = ""): string {
  if (typeof value !== "string" || !NAME.test(value)) {
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
