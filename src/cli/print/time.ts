/** Times as people read them, in the words of rkt's older versions. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
const MONTH = 30 * DAY;
const YEAR = 12 * MONTH;

/** Up to how many milliseconds a phrase is used, and the unit of the number in it. */
interface Word {
  readonly below: number;
  readonly word: string;
  readonly unit: number;
}

const word = (below: number, word: string, unit = 1): Word => ({ below, word, unit });

const WORDS: readonly Word[] = [
  word(SECOND, "now"),
  word(2 * SECOND, "1 second"),
  word(MINUTE, "# seconds", SECOND),
  word(2 * MINUTE, "1 minute"),
  word(HOUR, "# minutes", MINUTE),
  word(2 * HOUR, "1 hour"),
  word(DAY, "# hours", HOUR),
  word(2 * DAY, "1 day"),
  word(WEEK, "# days", DAY),
  word(2 * WEEK, "1 week"),
  word(MONTH, "# weeks", WEEK),
  word(2 * MONTH, "1 month"),
  word(YEAR, "# months", MONTH),
  word(18 * MONTH, "1 year"),
  word(2 * YEAR, "2 years"),
  word(37 * YEAR, "# years", YEAR),
];

/**
 * How long ago a time is: `now`, `1 second ago`, `3 weeks ago`; `from now` behind what is to come.
 *
 * @param time milliseconds since 1970
 * @param now milliseconds since 1970
 */
export function timeAgo(time: number, now: number): string {
  const distance = Math.abs(now - time);
  const direction = time <= now ? "ago" : "from now";
  for (const { below, word, unit } of WORDS) {
    if (distance >= below) continue;
    if (word === "now") return word;
    return `${word.replace("#", String(Math.floor(distance / unit)))} ${direction}`;
  }
  return `a long while ${direction}`;
}

/**
 * A time in full, in the local time zone: `2026-11-22 01:18:43.618 +0000 UTC`.
 *
 * @param time milliseconds since 1970
 */
export function fullTime(time: number): string {
  const offset = -new Date(time).getTimezoneOffset();
  const local = new Date(time + offset * MINUTE).toISOString();
  const fraction = local.slice(19, 23).replace(/\.?0+$/, "");
  const hours = two(Math.floor(Math.abs(offset) / 60)) + two(Math.abs(offset) % 60);
  const sign = offset < 0 ? "-" : "+";
  return `${local.slice(0, 10)} ${local.slice(11, 19)}${fraction} ${sign}${hours} ${zone(time)}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

function zone(time: number): string {
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(time);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "UTC";
}
