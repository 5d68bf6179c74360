/** Milliseconds of each unit of Go's durations. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ...[["ns", 1e-6], ["us", 1e-3], ["µs", 1e-3], ["μs", 1e-3]] as const,
  ...[["ms", 1], ["s", 1000], ["m", 60_000], ["h", 3_600_000]] as const,
]);

/**
 * Reads a duration in the way of Go, like `1h30m` or `1.5s`, not negative. Uses no regular expression: the first one
 * that a program runs takes as long as everything else here.
 *
 * @returns milliseconds; NaN if the text is no duration
 */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  let sum = 0;
  let index = 0;
  do {
    const start = index;
    while (isNumeral(text[index])) index++;
    const amount = index > start ? Number(text.slice(start, index)) : NaN;
    const unit = index;
    while (index < text.length && !isNumeral(text[index])) index++;
    sum += amount * (UNITS.get(text.slice(unit, index)) ?? NaN);
  } while (index < text.length);
  return sum;
}

function isNumeral(character: string | undefined): boolean {
  return character !== undefined && (character === "." || (character >= "0" && character <= "9"));
}
