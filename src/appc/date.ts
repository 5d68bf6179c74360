import type { Branded } from "./brand.ts";
import { isNumeral } from "./characters.ts";
import { AppcError, shown } from "./error.ts";

/** A point in time as RFC 3339 writes it, with `T` between date and time. */
export type AcDate = Branded<"AcDate">;

/**
 * Checks a date (appc specification, "created").
 *
 * @throws {AppcError}
 */
export function parseDate(value: unknown, at = ""): AcDate {
  if (typeof value !== "string" || !isDay(value) || !isTime(value.slice(10))) {
    throw new AppcError(at, `${shown(value)} is not a date like 2026-01-31T12:00:00Z (RFC 3339)`);
  }
  return value as AcDate;
}

/** Whether a text begins with a day of the calendar, `YYYY-MM-DD`. */
function isDay(text: string): boolean {
  if (text[4] !== "-" || text[7] !== "-") return false;
  const parts = [text.slice(0, 4), text.slice(5, 7), text.slice(8, 10)];
  if (!parts.every(isNumeral)) return false;
  const [year = 0, month = 0, day = 0] = parts.map(Number);
  // The constructors without a setter take the years 0 to 99 for 1900 to 1999.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** Whether a text is `THH:MM:SS`, a fraction of a second or none, and a zone. */
function isTime(text: string): boolean {
  const utc = text.endsWith("Z");
  const end = text.length - (utc ? 1 : 6);
  const sign = text[end];
  const zone = utc || ((sign === "+" || sign === "-") && isClock(text.slice(end + 1)));
  const fraction = text.slice(9, end);
  const whole = end === 9 ||
    (fraction[0] === "." && fraction.length < 11 && isNumeral(fraction.slice(1)));
  return text[0] === "T" && text[6] === ":" && end >= 9 && whole && zone &&
    isClock(text.slice(1, 6)) && isBelow(text.slice(7, 9), 60);
}

/** Whether a text is `HH:MM`. */
function isClock(text: string): boolean {
  return text.length === 5 && text[2] === ":" && isBelow(text.slice(0, 2), 24) &&
    isBelow(text.slice(3), 60);
}

/** Whether a text is two digits below a limit. */
function isBelow(text: string, limit: number): boolean {
  return text.length === 2 && isNumeral(text) && Number(text) < limit;
}
