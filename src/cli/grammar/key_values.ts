/** Arguments made of `KEY=VALUE` pairs. */

import { Failure } from "../../failure.ts";
import { suggestion } from "./suggest.ts";

/**
 * Splits `KEY=VALUE` at the first `=`.
 *
 * @param at the flag, for errors
 * @throws {Failure} no `=`, or nothing before it
 */
export function splitPair(at: string, text: string): readonly [key: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new Failure(`${at}: ${JSON.stringify(text)} is not of the form KEY=VALUE`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/**
 * Reads pairs into a record. Values may have URL escapes, as `%2C` for a comma.
 *
 * @throws {Failure} a key that is unknown or there twice, or an empty value
 */
export function keyValues(
  at: string,
  pairs: readonly string[],
  known: readonly string[],
): Readonly<Partial<Record<string, string>>> {
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const [key, value] = splitPair(at, pair);
    if (!known.includes(key)) {
      const hint = suggestion(key, known) || `; known are ${known.join(", ")}`;
      throw new Failure(`${at}: unknown key ${JSON.stringify(key)}${hint}`);
    }
    if (values.has(key)) throw new Failure(`${at}: ${key} is there twice`);
    if (value === "") throw new Failure(`${at}: ${key} is empty`);
    values.set(key, unescaped(value));
  }
  return Object.fromEntries(values);
}

/**
 * `true` or `false`.
 *
 * @throws {Failure}
 */
export function truth(at: string, text: string): boolean {
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw new Failure(`${at}: ${JSON.stringify(text)} is neither true nor false`);
}

/**
 * A whole number that is not negative.
 *
 * @throws {Failure}
 */
export function wholeNumber(at: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw new Failure(`${at}: ${JSON.stringify(text)} is not a whole number`);
  }
  return Number(text);
}

/**
 * Refuses a list in which two elements have the same key.
 *
 * @throws {Failure}
 */
export function noneTwice<T>(
  at: string,
  list: readonly T[],
  key: (element: T) => string,
): readonly T[] {
  const seen = new Set<string>();
  for (const element of list) {
    const name = key(element);
    if (seen.has(name)) throw new Failure(`${at}: ${JSON.stringify(name)} is there twice`);
    seen.add(name);
  }
  return list;
}

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // No escape: a path may contain a percent sign.
    return value;
  }
}
