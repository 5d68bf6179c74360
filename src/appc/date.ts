import type { Branded } from "./brand.ts";
import { AppcError, shown } from "./error.ts";

/** A point in time as RFC 3339 writes it, with `T` between date and time. */
export type AcDate = Branded<"AcDate">;

const DATE =
  /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Checks a date (appc specification, "created").
 *
 * @throws {AppcError}
 */
export function parseDate(value: unknown, at = ""): AcDate {
  const match = typeof value === "string" ? DATE.exec(value) : null;
  if (match === null || !isDay(Number(match[1]), Number(match[2]), Number(match[3]))) {
    throw new AppcError(at, `${shown(value)} is not a date like 2026-01-31T12:00:00Z (RFC 3339)`);
  }
  return value as AcDate;
}

function isDay(year: number, month: number, day: number): boolean {
  // The constructors without a setter take the years 0 to 99 for 1900 to 1999.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
