import type { Branded } from "./brand.ts";
import { isWords } from "./characters.ts";
import { AppcError, shown } from "./error.ts";

/** An AC Name: names of apps, volumes, mount points and ports, like `web-1`. */
export type AcName = Branded<"AcName">;

/** `NAME_MAX` (include/uapi/linux/limits.h): an app's name is the name of its directory. */
const MAX_LENGTH = 255;

/**
 * Checks an AC Name (appc specification, "AC Name Type").
 *
 * @throws {AppcError}
 */
export function parseAcName(value: unknown, at = ""): AcName {
  if (typeof value !== "string" || value === "") throw new AppcError(at, "a name is required");
  if (value.length > MAX_LENGTH) {
    throw new AppcError(at, `${shown(value)} is longer than ${MAX_LENGTH} characters`);
  }
  // As lax as the specification's own implementation: `a--b` is there in converted images.
  if (!isWords(value, "-")) {
    throw new AppcError(
      at,
      `${shown(value)} is not a valid name: lower-case letters, digits and dashes between them`,
    );
  }
  return value as AcName;
}

/**
 * Makes an AC Name of any text: lower case, `-` for what is not allowed, ends trimmed.
 *
 * @throws {AppcError} nothing is left
 */
export function acNameFrom(text: string): AcName {
  const name = text.slice(0, MAX_LENGTH).toLowerCase()
    .replace(/[^a-z0-9-]/g, "-")
    .replace(/^-+|-+$/g, "");
  return parseAcName(name);
}
