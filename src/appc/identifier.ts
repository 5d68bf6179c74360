import type { Branded } from "./brand.ts";
import { isWords } from "./characters.ts";
import { AppcError, shown } from "./error.ts";

/**
 * An AC Identifier: names of images, labels, annotations and isolators, like
 * `example.com/reduce-worker`.
 */
export type AcIdentifier = Branded<"AcIdentifier">;

/** One becomes a path of the key store, so it has to stay far below `PATH_MAX`. */
const MAX_LENGTH = 1024;

// The specification wants one separator at a time; its own implementation, and therefore images in
// the wild, allow several. What must not get in are path elements that are empty, `.` or `..`.
const SEPARATORS = "-._~/";
const BAD_ELEMENTS: readonly string[] = ["//", "/./", "/../"];

/**
 * Checks an AC Identifier (appc specification, "AC Identifier Type").
 *
 * @throws {AppcError}
 */
export function parseAcIdentifier(value: unknown, at = ""): AcIdentifier {
  if (typeof value !== "string" || value === "") throw new AppcError(at, "a name is required");
  if (value.length > MAX_LENGTH) {
    throw new AppcError(at, `${shown(value)} is longer than ${MAX_LENGTH} characters`);
  }
  if (!isWords(value, SEPARATORS)) {
    throw new AppcError(
      at,
      `${shown(value)} is not a valid name: lower-case letters, digits and the separators ` +
        "- . _ ~ / between them",
    );
  }
  if (BAD_ELEMENTS.some((bad) => value.includes(bad))) {
    throw new AppcError(at, `${shown(value)} has an empty path element, or one of dots only`);
  }
  return value as AcIdentifier;
}

/**
 * Makes an AC Identifier of any text: lower case, `_` for what is not allowed, ends trimmed.
 *
 * @throws {AppcError} nothing is left
 */
export function acIdentifierFrom(text: string): AcIdentifier {
  const name = text.slice(0, MAX_LENGTH).toLowerCase()
    .replace(/[^a-z0-9\-._~/]/g, "_")
    .replace(/\/[./]*(?=\/)/g, "")
    .replace(/^[-._~/]+|[-._~/]+$/g, "");
  return parseAcIdentifier(name);
}
